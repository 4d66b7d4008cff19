package gateway

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

// What a supervisor hands to its worker, see Supervise.
const (
	// KeyWorker tells a process that it is a worker, and which one.
	KeyWorker = "HADRILL_WORKER"

	fdTraffic = 3 // listening socket for requests
	fdAdmin   = 4 // listening socket of the admin port
	fdReady   = 5 // the worker writes a byte when it is ready
	fdLife    = 6 // ends when the supervisor has died
)

// gcPercent lets the heap grow fivefold before it is collected. What lives on
// is a few MiB, all else is the garbage of single requests: collected at the
// usual twofold, ten thousand requests a second mean forty collections.
const gcPercent = 400

// readyPause is between two looks at whether the gateway is ready.
const readyPause = 5 * time.Millisecond

// Serve opens the gateway's ports and serves until ctx ends, then drains.
func Serve(ctx context.Context, c Config, s Seams) error {
	g, err := New(c, s)
	if err != nil {
		return err
	}
	sockets, err := listen(ctx, withPorts(c))
	if err != nil {
		return err
	}
	return newServer(g, sockets).serve(ctx, context.Background())
}

func withPorts(c Config) Config {
	c.Port, c.AdminPort = or(c.Port, DefaultPort), or(c.AdminPort, DefaultAdminPort)
	return c
}

// Work is a worker of a supervisor: it serves on the sockets that it inherited
// until ctx ends (it drains as Serve does), until the supervisor hands over to
// another worker (SIGUSR1; it stops accepting at once and drains), or until the
// supervisor has died. The first worker accepts at once, one that follows when
// it is ready.
func Work(ctx context.Context, c Config, s Seams) error {
	debug.SetGCPercent(gcPercent)
	first := os.Getenv(KeyWorker) == "1"
	g, err := New(c, s)
	if err != nil {
		return err
	}
	sockets, err := inherited()
	if err != nil {
		return err
	}
	handover, stop := signal.NotifyContext(context.Background(), syscall.SIGUSR1)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		life := os.NewFile(fdLife, "life")
		defer life.Close()
		_, _ = life.Read(make([]byte, 1)) // returns when the other end is closed
		cancel()
	}()
	server, ready := newServer(g, sockets), make(chan struct{})
	if !first {
		// Until it knows its instances, requests are better off with its
		// predecessor, or in the queue.
		server.begin = ready
	}
	go announce(ctx, g, ready)
	return server.serve(ctx, handover)
}

// announce tells the supervisor, and closes ready, when the gateway is ready.
func announce(ctx context.Context, g *Gateway, ready chan<- struct{}) {
	supervisor := os.NewFile(fdReady, "ready")
	defer supervisor.Close()
	told := false
	for g.Ready() != nil {
		if !told {
			told = true
			g.say(fmt.Sprintf("not ready: %v", g.Ready()))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(readyPause):
		}
	}
	g.say("ready")
	close(ready)
	_, _ = supervisor.Write([]byte{1}) // a supervisor that has gone needs no answer
}
