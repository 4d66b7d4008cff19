package lockset

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/etcd"
)

func TestTheWorkersAreToldWhatWasDeclared(t *testing.T) {
	safe := System{Workers: 3, Lease: 3 * time.Second, Work: 5 * time.Millisecond, Fencing: true}
	members := []string{"10.213.0.11:2379", "10.213.0.12:2379"}
	want := map[string]string{
		"HADRILL_ETCD": "10.213.0.11:2379,10.213.0.12:2379", "HADRILL_LEASE": "3s", "HADRILL_WORK": "5ms", "HADRILL_FENCING": "on",
	}
	require.Equal(t, want, safe.settings(members))
	twin := safe
	twin.Fencing = false
	want["HADRILL_FENCING"] = "off"
	require.Equal(t, want, twin.settings(members), "the twin differs in one setting")
	require.Equal(t, "2s", System{}.settings(nil)["HADRILL_LEASE"])
}

func TestADeclarationThatCannotBeMeantIsRefused(t *testing.T) {
	require.Error(t, System{Workers: 1}.check())
	require.Error(t, System{Workers: 2, Lease: 1500 * time.Millisecond}.check())
	require.Error(t, System{Workers: 2, Work: -1}.check())
	require.NoError(t, System{Workers: 2}.check())
}

func TestTheLogTellsWhoDeclaresWhat(t *testing.T) {
	r := &Running{store: &etcd.Running{}}
	for line, want := range map[string]harness.Milestone{
		"worker-2 finds the lock free":                     {Declared: true, Keep: true},
		"worker-2 holds the lock with token 17":            {Owner: true, Keep: true},
		"worker-1 has lost the lock with token 9":          {Keep: true},
		"worker-1: renew lease: requested lease not found": {Keep: true},
	} {
		want.Text = line
		got, ok := r.Milestone("worker", line)
		require.True(t, ok, line)
		require.Equal(t, want, got)
	}
	got, ok := r.Milestone("etcd-1", `{"msg":"8e9e became leader at term 3"}`)
	require.True(t, ok)
	require.False(t, got.Owner, "an election in etcd is not one of the lock's")
	_, ok = r.Milestone("worker-1", "worker-1 serves on port 8080")
	require.False(t, ok)
}
