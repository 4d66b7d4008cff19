package mysql_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/mysql"
)

// running is what the tests of this package ask of either system.
type running interface {
	harness.Running
	harness.RoleReporter
	harness.RedundancyReporter
	harness.Settler
	harness.Milestones
	harness.Stopper
	harness.SetStore
	harness.RegisterStore
	harness.TransactionStore
	harness.BankStore
}

func start(ctx context.Context, t testing.TB, env *harness.Env, s harness.System) running {
	t.Helper()
	began := time.Now()
	started, err := s.Start(ctx, env)
	require.NoError(t, err)
	up := time.Since(began)
	r := started.(running)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	settle(ctx, t, r)
	t.Logf("started in %s, settled in %s", up.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return r
}

func settle(ctx context.Context, t testing.TB, r running) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	require.NoError(t, r.Settle(ctx))
}

var safe = mysql.SemiSync{Replicas: 2, Acks: 1}

func TestASettledGroupOfServersAgreesOnItsSource(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{OnLog: logTo(t)})
	r := start(ctx, t, env, safe)
	require.Equal(t, []harness.Belief{
		{Node: "mysql-1", Self: harness.Primary, Primary: "mysql-1"},
		{Node: "mysql-2", Self: harness.Replica, Primary: "mysql-1"},
		{Node: "mysql-3", Self: harness.Replica, Primary: "mysql-1"},
		{Node: "manager", Self: harness.Arbiter, Primary: "mysql-1", Term: 1},
	}, r.Beliefs(ctx))
	have, want, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{2, 2}, []int{have, want})
	storesKeepWhatTheyAreTold(ctx, t, env, r)
}

// logTo shows what nodes log when HADRILL_TEST_LOG names them.
func logTo(t testing.TB) func(string, int64, string) {
	wanted := os.Getenv("HADRILL_TEST_LOG")
	return func(node string, at int64, line string) {
		if wanted != "" && (wanted == "all" || strings.HasPrefix(node, wanted)) {
			fmt.Printf("%7.3f %s %s\n", float64(at)/1e9, node, line)
		}
	}
}

func both(a, b func(string, int64, string)) func(string, int64, string) {
	return func(node string, at int64, line string) { a(node, at, line); b(node, at, line) }
}

func storesKeepWhatTheyAreTold(ctx context.Context, t *testing.T, env *harness.Env, r running) {
	sets, err := r.OpenSet(ctx, env.Data())
	require.NoError(t, err)
	for i := range int64(50) {
		require.NoError(t, sets.Add(ctx, 7, i-25))
	}
	elements, err := sets.Elements(ctx, 7)
	require.NoError(t, err)
	slices.Sort(elements)
	require.Len(t, elements, 50)
	require.Equal(t, int64(-25), elements[0])
	require.NoError(t, sets.Close())

	registers, err := r.OpenRegisters(ctx, env.Data())
	require.NoError(t, err)
	_, found, err := registers.Read(ctx, 1)
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, registers.Write(ctx, 1, 1))
	swapped, err := registers.CompareAndSet(ctx, 1, 2, 3)
	require.NoError(t, err)
	require.False(t, swapped, "it held 1, not 2")
	swapped, err = registers.CompareAndSet(ctx, 1, 1, 3)
	require.NoError(t, err)
	require.True(t, swapped)
	value, found, err := registers.Read(ctx, 1)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, int64(3), value)
	require.NoError(t, registers.Close())

	transactions, err := r.OpenTransactions(ctx, env.Data())
	require.NoError(t, err)
	steps := []harness.Step{
		{Kind: harness.StepReadList, Key: 5}, {Kind: harness.StepAppend, Key: 5, Value: 8}, {Kind: harness.StepAppend, Key: 5, Value: 9},
		{Kind: harness.StepReadList, Key: 5}, {Kind: harness.StepRead, Key: 99}, {Kind: harness.StepWrite, Key: 99, Value: 4}, {Kind: harness.StepRead, Key: 99},
	}
	require.NoError(t, transactions.Transact(ctx, steps))
	require.Equal(t, []int64{}, steps[0].Values)
	require.Equal(t, []int64{8, 9}, steps[3].Values)
	require.False(t, steps[4].Found)
	require.True(t, steps[6].Found)
	require.Equal(t, int64(4), steps[6].Value)
	require.NoError(t, transactions.Close())

	bank, err := r.OpenBank(ctx, env.Data())
	require.NoError(t, err)
	require.NoError(t, bank.Create(ctx, []uint64{1, 2}, 100))
	require.NoError(t, bank.Transfer(ctx, 1, 2, 30))
	err = bank.Transfer(ctx, 1, 2, 71)
	require.Error(t, err)
	require.True(t, harness.IsDefinite(err))
	balances, err := bank.Balances(ctx, []uint64{1, 2})
	require.NoError(t, err)
	require.Equal(t, []int64{70, 130}, balances)
	require.NoError(t, bank.Close())
}

// marks notes when milestones were first logged.
type marks struct {
	mu              sync.Mutex
	reader          harness.Milestones
	declared, owner int64
	lines           []string
}

func (m *marks) onLog(node string, at int64, line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.reader == nil {
		return
	}
	s, ok := m.reader.Milestone(node, line)
	if !ok {
		return
	}
	m.lines = append(m.lines, fmt.Sprintf("%7.3f %s %s", float64(at)/1e9, node, s.Text))
	if s.Declared && m.declared == 0 {
		m.declared = at
	}
	if s.Owner && m.owner == 0 {
		m.owner = at
	}
}

func (m *marks) watch(r harness.Milestones) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reader, m.declared, m.owner = r, 0, 0
}

func TestAKilledSourceIsReplacedAndComesBackAsAReplica(t *testing.T) {
	killed(t, safe)
}

// killed kills the primary under load, starts it again, and demands that
// nothing acknowledged is lost.
func killed(t *testing.T, system harness.System) {
	t.Helper()
	clock := harness.NewClock()
	m := &marks{}
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{Clock: clock, OnLog: both(m.onLog, logTo(t))})
	r := start(ctx, t, env, system)
	m.watch(r)
	var acknowledged sync.Map
	writing, stop := context.WithCancel(ctx)
	var writers sync.WaitGroup
	for w := range int64(8) {
		sets, err := r.OpenSet(ctx, env.Data())
		require.NoError(t, err)
		writers.Go(func() {
			defer sets.Close()
			for i := int64(0); writing.Err() == nil; i++ {
				short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
				if err := sets.Add(short, 1, w<<32+i); err == nil {
					acknowledged.Store(w<<32+i, clock.Now())
				}
				cancel()
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	time.Sleep(time.Second)
	killed := clock.Now()
	_, err := eng.Client().ContainerKill(ctx, r.Nodes()[0].ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	first := int64(0)
	require.Eventually(t, func() bool {
		acknowledged.Range(func(_, at any) bool {
			if at := at.(int64); at > killed+int64(300*time.Millisecond) && (first == 0 || at < first) {
				first = at
			}
			return true
		})
		return first > 0
	}, 25*time.Second, 20*time.Millisecond, "no write succeeded after the kill")
	_, err = eng.Client().ContainerStart(ctx, r.Nodes()[0].ContainerID(), client.ContainerStartOptions{})
	require.NoError(t, err)
	settleUnderLoad(ctx, t, r)
	stop()
	writers.Wait()
	settle(ctx, t, r)

	m.mu.Lock()
	ms := func(at int64) time.Duration { return time.Duration(at - killed).Round(time.Millisecond) }
	t.Logf("after the kill: declared %s, promoted %s, first write %s\n%s", ms(m.declared), ms(m.owner), ms(first), strings.Join(m.lines, "\n"))
	require.Less(t, killed, m.declared)
	require.Less(t, m.declared, m.owner)
	m.mu.Unlock()

	sets, err := r.OpenSet(ctx, env.Data())
	require.NoError(t, err)
	defer sets.Close()
	elements, err := sets.Elements(ctx, 1)
	require.NoError(t, err)
	present := map[int64]bool{}
	for _, e := range elements {
		present[e] = true
	}
	count, lost := 0, 0
	acknowledged.Range(func(e, _ any) bool {
		count++
		if !present[e.(int64)] {
			lost++
		}
		return true
	})
	t.Logf("%d acknowledged, %d lost", count, lost)
	require.Zero(t, lost)
	require.Greater(t, count, 200)
}

// settleUnderLoad waits until every server replicates again.
func settleUnderLoad(ctx context.Context, t *testing.T, r running) {
	t.Helper()
	require.Eventually(t, func() bool {
		have, want, err := r.Redundancy(ctx)
		return err == nil && have == want
	}, 30*time.Second, 50*time.Millisecond, "redundancy is not restored")
}

// The worst case for a source's return: sessions wait for acknowledgements that
// never come, and none of their clients may be told that they came.
func TestAThawedSourceTellsNobodyThatItsVoidCommitsAreDone(t *testing.T) {
	m := &marks{}
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{OnLog: both(m.onLog, logTo(t))})
	r := start(ctx, t, env, safe)
	m.watch(r)
	// The replicas die: writes now wait at the source, which then freezes, and
	// the replicas come back.
	for _, n := range r.Nodes()[1:3] {
		_, err := eng.Client().ContainerKill(ctx, n.ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
		require.NoError(t, err)
	}
	outcomes := make(chan error, 5)
	var clients []harness.SetClient
	for i := range int64(cap(outcomes)) {
		sets, err := r.OpenSet(ctx, env.Data())
		require.NoError(t, err)
		clients = append(clients, sets)
		go func() { outcomes <- sets.Add(ctx, 9, i) }()
	}
	time.Sleep(500 * time.Millisecond)
	require.Empty(t, outcomes, "nobody acknowledges")
	_, err := eng.Client().ContainerPause(ctx, r.Nodes()[0].ContainerID(), client.ContainerPauseOptions{})
	require.NoError(t, err)
	for _, n := range r.Nodes()[1:3] {
		_, err := eng.Client().ContainerStart(ctx, n.ContainerID(), client.ContainerStartOptions{})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		for _, b := range r.Beliefs(ctx) {
			if b.Self == harness.Primary && b.Node != "mysql-1" {
				return true
			}
		}
		return false
	}, 15*time.Second, 20*time.Millisecond, "nobody takes over")
	_, err = eng.Client().ContainerUnpause(ctx, r.Nodes()[0].ContainerID(), client.ContainerUnpauseOptions{})
	require.NoError(t, err)
	told := 0
	for range clients {
		err := <-outcomes
		if err == nil {
			told++
		} else {
			require.False(t, harness.IsDefinite(err), "%v", err)
		}
	}
	settle(ctx, t, r)
	fresh, err := r.OpenSet(ctx, env.Data())
	require.NoError(t, err)
	elements, err := fresh.Elements(ctx, 9)
	require.NoError(t, err)
	m.mu.Lock()
	t.Logf("%d of %d told, %d there\n%s", told, len(clients), len(elements), strings.Join(m.lines, "\n"))
	m.mu.Unlock()
	require.Zero(t, told, "a client was told of a commit that is void")
	require.Empty(t, elements, "what nobody received is gone")
	for _, c := range append(clients, fresh) {
		require.NoError(t, c.Close())
	}
}
