// Package zones starts one service in two zones, both of which serve, with a
// third, small zone that only votes.
//
//	              clients of a     the public      clients of b
//	                   ┊               │                ┊
//	                   ┊       the shared address       ┊
//	                   ┊         ┌─────┴┄┄┄┄┄┐          ┊
//	┌───── zone a ─────┴─────────┴──┐ ┌──────┴─ zone b ─┴─────────────┐
//	│ mysql-1      backend-1  entry-1 │ entry-2  backend-2      mysql-2 │
//	└───────┬─────────────────────────┘ └────────────────────────┬──────┘
//	        └───────┐   ┌───── witness zone ─────┐   ┌───────────┘
//	                └───┤ mysql-3 manager arbiter ├──┘
//	                    └─────────────────────────┘
//
// Requests are served in both zones at once; the shared address is in one. The
// database is written in one zone and has a copy in each.
//
// Two zones cannot keep a quorum between them: when each hears nothing of the
// other, either may be the dead one, and whoever goes on alone may be the second
// to do so. So whatever must be in one place, the address and the right to
// write, is given out by the witness zone: a zone that reaches it goes on, a
// zone that does not stands still. Its machines can be small, but its copy of
// the data is what lets the surviving zone know every acknowledged write.
//
// Where the witness has none and one zone has the majority, the service
// survives the loss of the other zone only: the loss of the zone with the
// majority leaves a database that must not promote anybody.
//
// What hadrill found: a failure of three seconds can take its time from a
// setting elsewhere. While the database fails over, the service of the healthy
// zone hangs on it, and nginx, which knows of failures only from requests,
// takes that service for dead as well: with its default fail_timeout nobody was
// served for eleven seconds instead of four.
package zones

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql"
	"github.com/hadrill/hadrill/harness/vip"
)

// The zones, in the order in which Entry and Data are placed in them.
const (
	A       = "a"
	B       = "b"
	Witness = "witness"
)

// All returns the zones in the order of placement.
func All() []string { return []string{A, B, Witness} }

// Dual is the declaration: who serves requests, and who keeps the data. Their
// Zones fields say where they stand.
type Dual struct {
	Entry vip.Pair
	Data  mysql.SemiSync
}

var _ harness.System = Dual{}

// Name implements harness.System.
func (Dual) Name() string { return "zones-dual" }

// Start implements harness.System: entries and data side by side.
func (d Dual) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	r := &Running{}
	group, starting := errgroup.WithContext(ctx)
	group.Go(func() error {
		made, err := d.Entry.Start(starting, env)
		if err != nil {
			return fmt.Errorf("entry: %w", err)
		}
		r.entry = made.(*vip.Running)
		return nil
	})
	group.Go(func() error {
		made, err := d.Data.Start(starting, env)
		if err != nil {
			return fmt.Errorf("data: %w", err)
		}
		r.data = made.(*mysql.SemiSyncRunning)
		return nil
	})
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, r.Stop(ctx))
	}
	return r, nil
}
