package runner

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// How often the system is asked. A belief that lasts shorter than the period
// can be missed; the period is far below the resolution of any scenario.
const (
	beliefPeriod     = 50 * time.Millisecond
	redundancyPeriod = 100 * time.Millisecond
	samplePeriod     = time.Second
)

// observer watches a system beside the load: what each node believes, how
// many serve, and how much of the machine was taken away. Only changes are
// recorded.
type observer struct {
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

// startObserver watches until stop or ctx's end.
func startObserver(ctx context.Context, d *drill) *observer {
	ctx, cancel := context.WithCancel(ctx)
	o := &observer{cancel: cancel}
	if reporter, ok := d.system.(harness.RoleReporter); ok {
		seen := &beliefs{last: map[string]harness.Belief{}, at: map[string]record.Time{}}
		o.every(ctx, beliefPeriod, func() { observeBeliefs(ctx, d, reporter, seen) })
	}
	if reporter, ok := d.system.(harness.RedundancyReporter); ok {
		last := [2]int{-1, -1}
		o.every(ctx, redundancyPeriod, func() { observeRedundancy(ctx, d, reporter, &last) })
	}
	before, ok := readSteal()
	if ok {
		o.every(ctx, samplePeriod, func() { before = sampleSteal(d, before) })
	}
	o.wait.Go(func() { o.relayAgent(ctx, d) })
	return o
}

func (o *observer) every(ctx context.Context, period time.Duration, observe func()) {
	o.wait.Go(func() {
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for {
			observe()
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

func (o *observer) stop() {
	o.cancel()
	o.wait.Wait()
}

// relayAgent records what the agent reports by itself: gaps of a fault whose
// target restarted.
func (o *observer) relayAgent(ctx context.Context, d *drill) {
	for {
		select {
		case e, ok := <-d.agent.Events():
			if !ok {
				return
			}
			d.agentEvent(e)
		case <-ctx.Done():
			return
		}
	}
}

// beliefs are the last answers of every node, and when they were asked for.
type beliefs struct {
	last map[string]harness.Belief
	at   map[string]record.Time
}

// observeBeliefs records what has changed since the last round. A change lies
// between the last time the old belief was heard and now: that is its bracket.
func observeBeliefs(ctx context.Context, d *drill, reporter harness.RoleReporter, seen *beliefs) {
	asked := d.clock.now()
	answers := reporter.Beliefs(ctx)
	if ctx.Err() != nil {
		return // an aborted question is no belief
	}
	now := d.clock.now()
	for _, b := range answers {
		old, known := seen.last[b.Node]
		before, heard := seen.at[b.Node], seen.at[b.Node] != 0
		seen.last[b.Node], seen.at[b.Node] = b, asked
		if known && old.Self == b.Self && old.Primary == b.Primary && old.Term == b.Term {
			continue
		}
		e := record.Event{At: now, Kind: record.EventBelief, Node: b.Node, Name: string(b.Self), Text: b.Primary, Number: float64(b.Term), How: b.Err}
		if heard {
			e.Bracket = &record.Bracket{Before: before, After: now}
		}
		d.event(e)
	}
}

func observeRedundancy(ctx context.Context, d *drill, reporter harness.RedundancyReporter, last *[2]int) {
	have, want, err := reporter.Redundancy(ctx)
	if err != nil || ctx.Err() != nil {
		return // nobody to ask just now: the last known value stands until an answer
	}
	if now := [2]int{have, want}; now != *last {
		*last = now
		d.event(record.Event{Kind: record.EventRedundancy, Number: float64(have), Of: float64(want)})
	}
}

// cpuTimes are the machine's total and stolen ticks, from proc_stat(5).
type cpuTimes struct{ total, steal uint64 }

func readSteal() (cpuTimes, bool) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cpuTimes{}, false
	}
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 9 {
		return cpuTimes{}, false
	}
	var t cpuTimes
	for i, f := range fields[1:9] {
		n, err := strconv.ParseUint(string(f), 10, 64)
		if err != nil {
			return cpuTimes{}, false
		}
		t.total += n
		if i == 7 {
			t.steal = n
		}
	}
	return t, true
}

// sampleSteal records the share of CPU time that the hypervisor took since
// the last sample, and returns the new one.
func sampleSteal(d *drill, before cpuTimes) cpuTimes {
	now, ok := readSteal()
	if !ok || now.total <= before.total {
		return before
	}
	d.event(record.Event{Kind: record.EventSample, Name: "cpu.steal", Number: float64(now.steal-before.steal) / float64(now.total-before.total)})
	return now
}

// onLog keeps what the system's own log says of the failure.
func (d *drill) onLog(node string, at int64, line string) {
	system, started := d.milestones.Load().(reading)
	if !started {
		return
	}
	reader, ok := system.Running.(harness.Milestones)
	if !ok {
		return
	}
	m, ok := reader.Milestone(node, line)
	if !ok {
		return
	}
	e := record.Event{At: record.Time(at), Kind: record.EventLog, Node: node, Text: m.Text}
	switch {
	case m.Declared:
		e.Kind = record.EventDeclared
	case m.Owner:
		e.Kind = record.EventOwner
	case !m.Keep:
		return
	}
	d.event(e)
}

// onNode records what the engine saw of a node's container.
func (d *drill) onNode(node, what string, at int64, exit int) {
	text := ""
	if what == "die" {
		text = fmt.Sprintf("exit code %d", exit)
	}
	d.event(record.Event{At: record.Time(at), Kind: record.EventNode, Name: what, Node: node, Text: text})
}
