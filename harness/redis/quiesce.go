package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness"
)

var _ harness.Quiescer = (*Running)(nil)

// Quiesce implements harness.Quiescer: every sentinel names the same server,
// and that server takes itself for the primary, in two rounds of questions in
// a row. From then on only that server's data can remain: whoever else still
// believes to be primary will be made its replica and drop what it has. When
// that happens is up to Sentinel (ten seconds and more after a return) and
// changes nothing about what a definitive read finds.
func (r *Running) Quiesce(ctx context.Context) error {
	agreed := ""
	for {
		primary, why := r.agreement(r.Beliefs(ctx))
		if why == "" && primary == agreed {
			return nil
		}
		agreed = primary
		select {
		case <-ctx.Done():
			return fmt.Errorf("quiesce redis-sentinel: %s: %w", why, context.Cause(ctx))
		case <-time.After(4 * settlePause):
		}
	}
}

// agreement returns the server that all sentinels and itself call primary, or
// why there is none.
func (r *Running) agreement(beliefs []harness.Belief) (primary, why string) {
	self := map[string]harness.Role{}
	for _, b := range beliefs {
		self[b.Node] = b.Self
		switch {
		case b.Self == harness.Unknown:
			if i := r.indexOf(b.Node); i >= len(r.servers) {
				return "", fmt.Sprintf("%s does not answer (%s)", b.Node, b.Err)
			}
		case b.Self != harness.Arbiter:
		case primary == "":
			primary = b.Primary
		case b.Primary != primary:
			return "", fmt.Sprintf("%s calls %s primary, another sentinel %s", b.Node, b.Primary, primary)
		}
	}
	if self[primary] != harness.Primary {
		return "", fmt.Sprintf("the sentinels call %s primary, which says it is %s", primary, self[primary])
	}
	return primary, ""
}

func (r *Running) indexOf(node string) int {
	for i, n := range r.nodes {
		if n.Name() == node {
			return i
		}
	}
	return -1
}
