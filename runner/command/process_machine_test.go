package command_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
)

// readable requires that a run's folder can be judged from its log.
func readable(t *testing.T, folder string) (*record.Log, *record.Result) {
	t.Helper()
	log, result, err := runner.Analyze(t.Context(), folder)
	require.NoError(t, err)
	return log, result
}

func TestAMissingImageIsNamedAndNothingIsLeftBehind(t *testing.T) {
	eng := realEngine(t)
	dir := t.TempDir()
	p := run(t, []string{"HADRILL_IMAGE_REDIS=hadrill.local/none:1"}, "run", "--dir", dir, "cache/redis-sentinel/null")
	assert.Equal(t, 69, p.code())
	said := p.complaint()
	assert.Contains(t, said, "hadrill.local/none:1", "which image")
	assert.Contains(t, said, "could not pull it", "why")
	assert.Contains(t, said, "docker load", "remedy")
	nothingLeft(t, eng, dir, 0)
	log, result := readable(t, onlyRun(t, dir))
	assert.False(t, log.Truncated)
	assert.Equal(t, record.HarnessError, result.Verdict)
	assert.Contains(t, result.Reason, "failed at start")
}

func TestATakenSubnetIsNamedWithTheVariableThatChoosesAnother(t *testing.T) {
	eng := realEngine(t)
	taken := freeSubnet(t, eng.Client())
	made, err := eng.Client().NetworkCreate(t.Context(), "hadrill-test-taken", client.NetworkCreateOptions{
		Internal: true, IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: taken}}},
	})
	require.NoError(t, err)
	defer func() {
		_, err := eng.Client().NetworkRemove(t.Context(), made.ID, client.NetworkRemoveOptions{})
		assert.NoError(t, err)
	}()
	dir := t.TempDir()
	p := run(t, []string{"HADRILL_SUBNET=" + taken.String()}, "run", "--dir", dir, "calibration/known-outage")
	assert.Equal(t, 69, p.code())
	said := p.complaint()
	assert.Contains(t, said, taken.String())
	assert.Contains(t, said, "HADRILL_SUBNET")
	nothingLeft(t, eng, dir, 0)
	readable(t, onlyRun(t, dir))
}

// freeSubnet is a /24 that no network of the engine has.
func freeSubnet(t *testing.T, c *client.Client) netip.Prefix {
	t.Helper()
	list, err := c.NetworkList(t.Context(), client.NetworkListOptions{})
	require.NoError(t, err)
	for third := byte(1); third < 255; third++ {
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 211, third, 0}), 24)
		free := true
		for _, n := range list.Items {
			for _, config := range n.IPAM.Config {
				free = free && !config.Subnet.Overlaps(subnet)
			}
		}
		if free {
			return subnet
		}
	}
	require.FailNow(t, "no free subnet for the test")
	return netip.Prefix{}
}

// TestAFullDiskEndsTheRunAndKeepsWhatItHad gives the run folder a file system
// that is full in the middle of the load.
func TestAFullDiskEndsTheRunAndKeepsWhatItHad(t *testing.T) {
	eng := realEngine(t)
	disk := tinyDisk(t, "96k")
	p := run(t, nil, "run", "--dir", disk, "calibration/known-outage")
	assert.Equal(t, 70, p.code())
	folder := onlyRun(t, disk)
	said := p.complaint()
	assert.Contains(t, said, filepath.Join(folder, "run.log"), "which file")
	assert.Contains(t, said, "no space left on device", "why")
	assert.Contains(t, said, "choose another run folder", "remedy")
	assert.Contains(t, said, "stay readable")
	nothingLeft(t, eng, disk, 0)

	log, result := readable(t, folder)
	assert.True(t, log.Truncated)
	assert.NotEmpty(t, log.Ops, "what was recorded before the disk was full")
	assert.NotEqual(t, record.Pass, result.Verdict, "half a run passes nothing")

	// The reports do not fit either: they say so, and the log is not harmed.
	again := run(t, noEngine, "analyze", folder)
	assert.Equal(t, 70, again.code())
	assert.Contains(t, again.complaint(), "no space left on device")
	assert.Contains(t, again.complaint(), "run.log")

	// With space they can be had, and still claim nothing.
	require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=8m"))
	assert.Equal(t, 2, run(t, noEngine, "analyze", folder).code())
	assert.FileExists(t, filepath.Join(folder, reports.PageFile))
}

// tinyDisk mounts a small file system of its own, which takes root. Elsewhere
// the test is skipped; not in CI, where it must not be forgotten.
func tinyDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
	if err != nil {
		const why = "needs root to mount a small file system: %v"
		if os.Getenv("CI") != "" {
			require.FailNowf(t, "not run", why, err)
		}
		t.Skipf("not run: "+why, err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

// TestTwoRunsSideBySideDoNotMeet runs two drills as two processes at once, and
// then judges one of them again from its log.
func TestTwoRunsSideBySideDoNotMeet(t *testing.T) {
	eng := realEngine(t)
	const scenario = "entry/nginx-upstream/null"
	dirs := [2]string{t.TempDir(), t.TempDir()}
	var both [2]*process
	for i, dir := range dirs {
		both[i] = begin(t, nil, "run", "--json", "--dir", dir, scenario)
	}
	// Only when both have ended is every process of the program a leftover:
	// until then it may be the other run's, or the other run's sitter.
	for _, p := range both {
		p.ends(time.Minute)
	}
	for i, p := range both {
		require.Equalf(t, 0, p.code(), "run %d: %s", i, p.out.String())
		lines := strings.Split(strings.TrimSpace(p.out.String()), "\n")
		require.Len(t, lines, 1, "one object a run, and nothing else")
		var told struct{ Scenario, Path, Verdict string }
		require.NoError(t, json.Unmarshal([]byte(lines[0]), &told))
		assert.Equal(t, scenario, told.Scenario)
		assert.Equal(t, onlyRun(t, dirs[i]), told.Path)
		assert.Equal(t, "pass", told.Verdict)
		nothingLeft(t, eng, dirs[i], 0)
	}

	folder := onlyRun(t, dirs[0])
	before := contents(t, folder)
	require.Contains(t, before, reports.RunFile)
	require.Contains(t, before, reports.JUnitFile)
	require.Contains(t, before, reports.PageFile)
	time.Sleep(10 * time.Millisecond) // a time of day in a report would differ
	assert.Equal(t, 0, run(t, noEngine, "analyze", folder).code())
	after := contents(t, folder)
	for name, text := range before {
		assert.Truef(t, text == after[name], "%s: analysing the log again gives other bytes", name)
	}
	assert.Len(t, after, len(before))
}

// contents reads every file of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	found := map[string]string{}
	for _, e := range entries {
		if e.Type().IsRegular() {
			raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			found[e.Name()] = string(raw)
		}
	}
	return found
}
