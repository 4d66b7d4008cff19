package agent

import (
	"context"
	"errors"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// watcher follows the run's containers: the engine's events tell of starts, the
// nodes' pidfds of deaths. Damage that a restart took away is done again.
type watcher struct {
	server *server
	cancel context.CancelFunc
	done   chan struct{}
}

func startWatcher(s *server) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{server: s, cancel: cancel, done: make(chan struct{})}
	go w.run(ctx)
	return w
}

func (w *watcher) stop() {
	w.cancel()
	<-w.done
}

// run follows the event stream, and opens it again when it breaks.
func (w *watcher) run(ctx context.Context) {
	defer close(w.done)
	for ctx.Err() == nil {
		stream := w.server.host.engine.Events(ctx, client.EventsListOptions{
			Filters: w.server.host.filter().Add("type", string(events.ContainerEventType)),
		})
		// Whatever happened while nobody listened is found by looking.
		if _, err := w.server.host.discover(ctx); err != nil && ctx.Err() == nil {
			w.server.problem("", err)
		}
		w.follow(ctx, stream)
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (w *watcher) follow(ctx context.Context, stream client.EventsResult) {
	for {
		select {
		case m := <-stream.Messages:
			w.handle(ctx, m)
		case err := <-stream.Err:
			if err != nil && !errors.Is(err, context.Canceled) {
				w.server.problem("", err)
			}
			return
		case <-ctx.Done():
			return
		}
	}
}

func (w *watcher) handle(ctx context.Context, m events.Message) {
	host := w.server.host
	switch m.Action {
	case events.ActionStart:
		go w.started(ctx, m.Actor.ID)
	case events.ActionDestroy:
		host.forget(m.Actor.ID)
	}
}

// started learns the new process of a node and does again what its end took away.
func (w *watcher) started(ctx context.Context, id string) {
	host := w.server.host
	node, err := host.Node(ctx, id)
	if errors.Is(err, ErrForeign) || errdefs.IsNotFound(err) {
		return // the agent's own container, or gone already
	}
	if err == nil {
		_, err = node.refresh(ctx)
	}
	if err != nil {
		if ctx.Err() == nil && !errdefs.IsNotFound(err) {
			w.server.problem("", err)
		}
		return
	}
	if died := node.restarted(); died != 0 {
		w.server.restore(node, died, WithProcess)
	}
}

// reborn is called by the node table when a node that had died has a new first
// process, mostly before its service begins.
func (s *server) reborn(n *Node, diedAt int64) {
	s.event(Event{At: monotonic(), Kind: EventStarted, Node: n.name})
	s.restore(n, diedAt, WithNamespace)
}

// restore does the damage of one lifetime again to a node that was restarted
// under it, and reports the gap.
func (s *server) restore(n *Node, diedAt int64, lost Lifetime) {
	s.mu.Lock()
	var struck []*damage
	for _, d := range s.damages {
		if d.target.Node == n && d.action.Lost == lost {
			struck = append(struck, d)
		}
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), undoLimit)
	defer cancel()
	for _, d := range struck {
		again, err := d.reapply(ctx, s.journal)
		e := Event{At: monotonic(), Kind: EventGap, Node: n.name, Damage: d.id, Before: diedAt, After: monotonic()}
		switch {
		case err != nil:
			e.Kind, e.After, e.Text = EventLost, 0, err.Error()
		case again:
			e.Text = d.action.Name + " was lost with the node's process and done again at its restart"
		default:
			continue // it had been healed
		}
		s.event(e)
	}
}
