package check_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

var update = flag.Bool("update", false, "rewrite CATCH.md")

// workload is a correct system, the checks that judge it, and the defects that
// are planted into its histories.
type workload struct {
	name     string
	simulate func(seed uint64) *record.Log
	checks   []string
	defects  []defect
}

// defect changes a correct history at a place where that is certainly wrong
// and reports whether it found one. by is the check that must catch it, every
// time; as is the name of a finding that it must report.
type defect struct {
	name, by, as string
	plant        func(*rand.Rand, *record.Log) bool
}

func workloads() []workload {
	return []workload{
		{"sets", simulateSets, []string{check.NoLostWrites, check.NoPhantoms, check.NoDuplicates, check.LinearizableSet, check.ReadYourWrites, check.MonotonicReads}, setDefects},
		{"registers", simulateRegisters, []string{check.NoLostWrites, check.NoPhantoms, check.LinearizableRegister, check.ReadYourWrites, check.MonotonicReads, check.MonotonicWrites, check.WritesFollowReads, check.NoStaleReads}, registerDefects},
		{"queues", simulateQueues, []string{check.NoLostWrites, check.NoPhantoms, check.NoDuplicates, check.LinearizableQueue, check.Ordered}, queueDefects},
		{"locks", simulateLocks, []string{check.LinearizableLock, check.Fencing}, lockDefects},
		{"jobs", simulateJobs, []string{check.ExactlyOnce, check.Fencing, check.NoLostWrites, check.NoPhantoms, check.NoDuplicates}, jobDefects},
		{"bank", simulateBank, []string{check.Bank}, bankDefects},
		{"owners", simulateOwners, []string{check.SingleOwner}, ownerDefects},
		{"intruders", simulateIntruders, []string{check.NoIntruder}, intruderDefects},
		{"transactions over lists", simulateLists, isolation, listDefects},
		{"transactions over registers", simulateCells, isolation, cellDefects},
	}
}

var isolation = []string{check.ReadUncommitted, check.ReadCommitted, check.SnapshotIsolation, check.Serializable, check.SessionSerializable, check.StrictSerializable}

func judge(t require.TestingT, name string, log *record.Log) check.Report {
	c, err := check.Lookup(name)
	require.NoError(t, err)
	r, err := check.Run(context.Background(), c, log, check.Budget{})
	require.NoError(t, err)
	return r
}

// No check may accuse a correct system.
func TestCorrectSystemsAreClean(t *testing.T) {
	for _, w := range workloads() {
		t.Run(w.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				log := w.simulate(rapid.Uint64().Draw(t, "seed"))
				for _, name := range w.checks {
					r := judge(t, name, log)
					if !r.Clean() {
						t.Fatalf("%s: %d checked, %d findings, first %+v", name, r.Checked, r.Total, r.Findings)
					}
					if r.Guarantee == "" {
						t.Fatalf("%s names no guarantee", name)
					}
				}
			})
		})
	}
}

// Every defect must be caught every time by the check that is named for it.
// CATCH.md is the result, kept in the docs.
func TestPlantedDefectsAreCaught(t *testing.T) {
	const seeds = 40
	var b strings.Builder
	b.WriteString("# Planted defects\n\nThe histories of simulated correct systems, each with one defect planted, and which checks catch it.\n" +
		"Written by `go test ./runner/check -run TestPlantedDefects -update`; the test fails when a defect is missed\nor this file is not what the test finds. " +
		"The check in bold is the one that must catch all of them.\n")
	for _, w := range workloads() {
		fmt.Fprintf(&b, "\n## %s\n\n| defect | planted | caught by |\n|---|---|---|\n", w.name)
		covered := map[string]bool{}
		for _, d := range w.defects {
			covered[d.by] = true
			planted, caught := 0, map[string]int{}
			for seed := uint64(0); seed < seeds; seed++ {
				log := w.simulate(seed)
				if !d.plant(rand.New(rand.NewPCG(seed, 5)), log) {
					continue
				}
				planted++
				for _, name := range w.checks {
					r := judge(t, name, log)
					if r.Total == 0 {
						continue
					}
					caught[name]++
					require.NotEmpty(t, r.Findings)
					named := false
					for _, f := range r.Findings {
						assert.Equal(t, name, f.Check)
						assert.NotEmpty(t, f.Picture, "%s: %s", d.name, f.Name)
						named = named || strings.HasPrefix(f.Name, d.as)
					}
					if name == d.by {
						assert.True(t, named, "%s/%s seed %d: %s found %s, not %q", w.name, d.name, seed, name, r.Findings[0].Name, d.as)
					}
				}
			}
			assert.GreaterOrEqual(t, planted, seeds/2, "%s/%s: too few places to plant it", w.name, d.name)
			assert.Equal(t, planted, caught[d.by], "%s/%s must be caught by %s", w.name, d.name, d.by)
			var by []string
			for _, name := range w.checks {
				switch {
				case name == d.by:
					by = append(by, fmt.Sprintf("**%s %d/%d**", name, caught[name], planted))
				case caught[name] > 0:
					by = append(by, fmt.Sprintf("%s %d/%d", name, caught[name], planted))
				}
			}
			fmt.Fprintf(&b, "| %s | %d | %s |\n", d.name, planted, strings.Join(by, ", "))
		}
		for _, name := range w.checks {
			assert.True(t, covered[name], "no defect of %s is for %s", w.name, name)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile("CATCH.md", []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile("CATCH.md")
	require.NoError(t, err)
	assert.Equal(t, string(want), b.String(), "run with -update")
	t.Log("\n" + b.String())
}

// Every check of the registry is in the table.
func TestEveryCheckHasADefectOfItsOwn(t *testing.T) {
	var have []string
	for _, w := range workloads() {
		for _, d := range w.defects {
			have = append(have, d.by)
		}
	}
	for _, name := range check.Names() {
		assert.Contains(t, have, name)
		c, err := check.Lookup(name)
		require.NoError(t, err)
		assert.NotEmpty(t, c.Doc())
		r, err := check.Run(context.Background(), c, &record.Log{}, check.Budget{})
		require.NoError(t, err)
		assert.Zero(t, r.Checked, "an empty log is vacuous for %s", name)
		assert.False(t, r.Clean())
	}
}
