package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Jobs submits jobs and, after healing, waits until none is pending and reads
// all effects: every accepted job must have had its effect exactly once. It
// needs harness.JobRunner of the system.
//
// In the history, a submission is an Enqueue whose Value is the job; an effect
// is an Effect whose Key is the job and whose Value is the fencing token, in
// the definitive lane, in the order in which the effects were made.
type Jobs struct {
	Rate     float64       // submissions a second; default 100
	Schedule Schedule      // instead of Rate
	Clients  int           // virtual users; default by Rate and Timeout, 8..64
	Timeout  time.Duration // deadline of a submission; default 1 s
	Zone     string        // client zone; "" is the data network
	Zones    []string      // client zones that share the rate, instead of Zone
}

var _ Load = Jobs{}

func (j Jobs) work() work {
	return work{
		name: "jobs",
		streams: []stream{{plan: func(at slot, n uint64, op *record.Op) {
			op.Function, op.Key = record.Enqueue, at.key
			op.Value = int64(at.key) + at.unique(n)
		}}},
		connect: capability("JobRunner", "runs no jobs", func(ctx context.Context, store harness.JobRunner, from harness.Vantage) (Client, error) {
			c, err := store.OpenJobs(ctx, from)
			return jobClient{c}, err
		}),
		readBack: func(ctx context.Context, b *back) error {
			return errors.Join(b.insist(ctx, b.effects(ctx)), b.hangUp())
		},
	}.common(or(j.Rate, 100), j.Schedule, j.Clients, or(j.Timeout, time.Second), j.Zone, j.Zones)
}

// effects returns a step that records all effects once nothing is pending.
func (b *back) effects(ctx context.Context) func(Client) error {
	return func(client Client) error {
		c, ok := client.(jobClient)
		if !ok {
			return fmt.Errorf("client is a %T", client)
		}
		ctx, cancel := context.WithTimeout(ctx, readBackAttempt)
		defer cancel()
		pending, err := c.Pending(ctx)
		if err != nil {
			return fmt.Errorf("pending jobs: %w", err)
		}
		if pending > 0 {
			return fmt.Errorf("%d jobs are still pending", pending)
		}
		effects, err := c.Effects(ctx)
		if err != nil {
			return fmt.Errorf("effects: %w", err)
		}
		now := b.target.now()
		for _, e := range effects {
			b.sink.add(&record.Op{
				Intended: now, Start: now, End: now, Lane: b.number, Process: b.process,
				Function: record.Effect, Key: e.Job, Value: e.Token, Outcome: record.Ok,
			})
		}
		return nil
	}
}

// Describe implements Load.
func (j Jobs) Describe() string { return j.work().Describe() }

// Lanes implements Load: one a zone, then the effects.
func (j Jobs) Lanes() []record.Lane { return j.work().Lanes() }

// Open implements Load.
func (j Jobs) Open(ctx context.Context, t Target) (Session, error) { return j.work().Open(ctx, t) }

// jobClient is a Client of jobs.
type jobClient struct{ harness.JobClient }

func (c jobClient) Invoke(ctx context.Context, op *record.Op) error {
	return c.Submit(ctx, uint64(op.Value))
}
