package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// keySpan is how many keys each of several combined loads has to itself.
const keySpan = 1 << 20

// Combine runs several loads side by side as one. Each has keys of its own
// and lanes of its own, in the order given; lanes of the same name are told
// apart by a number.
func Combine(loads ...Load) Load {
	return combined(slices.Clone(loads))
}

type combined []Load

func (c combined) Describe() string {
	parts := make([]string, len(c))
	for i, l := range c {
		parts[i] = l.Describe()
	}
	return strings.Join(parts, " + ")
}

func (c combined) Lanes() []record.Lane {
	var lanes []record.Lane
	times := map[string]int{}
	for _, load := range c {
		for _, lane := range load.Lanes() {
			lane.Name, _, _ = strings.Cut(lane.Name, "#") // of combined loads inside this one
			times[lane.Name]++
			if n := times[lane.Name]; n > 1 {
				lane.Name += fmt.Sprintf("#%d", n)
			}
			lanes = append(lanes, lane)
		}
	}
	return lanes
}

func (c combined) Open(ctx context.Context, t Target) (Session, error) {
	if n := len(c.Lanes()) + int(t.LaneBase); n > 256 {
		return nil, fmt.Errorf("combine loads: %d lanes are above the limit of 256", n)
	}
	var all sessions
	spans := 0
	for i, load := range c {
		own := t
		own.KeyBase += uint64(spans) * keySpan
		spans += leaves(load)
		own.Seed = mix(t.Seed, uint64(i))
		s, err := load.Open(ctx, own)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all = append(all, s)
		t.LaneBase += uint8(len(load.Lanes()))
	}
	return all, nil
}

// sessions are the sessions of combined loads.
type sessions []Session

func (s sessions) Run(ctx context.Context, start record.Time, d time.Duration) error {
	return s.each(func(one Session) error { return one.Run(ctx, start, d) })
}

func (s sessions) ReadBack(ctx context.Context) error {
	return s.each(func(one Session) error { return one.ReadBack(ctx) })
}

func (s sessions) Stats() (sum Stats) {
	for _, one := range s {
		sum = sum.Plus(one.Stats())
	}
	return sum
}

func (s sessions) Close() error { return s.each(Session.Close) }

// each calls f on all sessions at once.
func (s sessions) each(f func(Session) error) error {
	errs := make(chan error, len(s))
	for _, one := range s {
		go func() { errs <- f(one) }()
	}
	var all []error
	for range s {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// leaves counts the loads that need keys of their own.
func leaves(l Load) int {
	switch l := l.(type) {
	case combined:
		n := 0
		for _, one := range l {
			n += leaves(one)
		}
		return n
	case cutOff:
		return leaves(l.load)
	}
	return 1
}
