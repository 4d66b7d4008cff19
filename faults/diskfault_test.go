package faults

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/faults/disk"
)

func TestDiskFaultsSayWhatTheyDo(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		want  Spec
	}{
		{DiskSlow(first, "/data", 50*time.Millisecond, disk.Sync), Spec{"disk-slow", "n1", "/data latency=50ms on=sync"}},
		{DiskHang(first, ""), Spec{"disk-hang", "n1", "hang"}},
		{DiskError(first, "", "EIO", 0.1, disk.Write), Spec{"disk-error", "n1", "error=EIO share=10% on=write"}},
		{LyingSync(first, "/data"), Spec{"lying-sync", "n1", "/data lying-sync"}},
		{DiskFull(first, "/data", 4096), Spec{"disk-full", "n1", "/data leave=4096"}},
		{PowerCut(first), Spec{"power-cut", "n1", ""}},
	} {
		assert.Equal(t, c.want, c.fault.Spec())
		assert.NotEmpty(t, c.fault.Requires())
	}
}

func TestDiskFaultsRefuseANodeWithoutADisk(t *testing.T) {
	s := newStage(t, 1)
	for _, f := range []Fault{DiskSlow(first, "", time.Millisecond), DiskFull(first, "", 0), PowerCut(first)} {
		_, err := f.Inject(context.Background(), s.Field)
		require.ErrorContains(t, err, "no disk of ours", f.Spec().Fault)
	}
	_, err := DiskError(first, "", "EWHAT", 0).Inject(context.Background(), s.Field)
	require.ErrorContains(t, err, "unknown error")
	require.NoError(t, ping(s.env.Data(), s.nodes[0]), "nothing was done to it")
	left, err := s.Agent.Audit(context.Background())
	require.NoError(t, err)
	assert.Empty(t, left)
}
