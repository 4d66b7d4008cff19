package harness

import (
	"context"
	"errors"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// ErrMiscounted is in the error of a network that the engine refuses to remove
// although it names nobody in it. Engines up to 20.10 keep a count of a
// network's members beside the members themselves, and lose it, rarely, when
// several join or leave at the same time (libnetwork, endpoint_cnt.go: one
// counter object is shared by those who change it). Only a restart of the
// engine counts anew. What stays is a bridge without members or addresses.
var ErrMiscounted = errors.New("the engine has miscounted the network's members: it names none, and still keeps it; restart the engine, then run `hadrill clean`")

// Leave takes containers off their networks, one after the other, before they
// are removed side by side: removed first, they would all leave at the same
// time, which is what makes the engine lose count; and it is the faster way, as
// the engine spends most of a removal on the network. Errors are not looked at:
// a container that is gone, or stays, is for the removal to tell.
func Leave(ctx context.Context, c *client.Client, containers []container.Summary) {
	for _, one := range containers {
		if one.State != container.StateRunning && one.State != container.StatePaused || one.NetworkSettings == nil {
			continue
		}
		for name, at := range one.NetworkSettings.Networks {
			if at == nil || at.NetworkID == "" || name == "host" || name == "none" {
				continue
			}
			_, _ = c.NetworkDisconnect(ctx, at.NetworkID, client.NetworkDisconnectOptions{Container: one.ID, Force: true})
		}
	}
}
