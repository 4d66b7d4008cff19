package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

const tailLines = 8

// watch is what the Env knows of a node's container beyond its address: its
// log so far, and the engine's word on its life.
type watch struct {
	node    *Node
	started chan struct{} // a container start not yet followed; holds one
	died    chan int      // exit codes; holds the last few
	begin   sync.Once     // starts the goroutine that follows
	// following is set from a start heard until its stream has run dry.
	following atomic.Bool

	mu    sync.Mutex
	lines []string // the last lines logged
	// last is the engine's time of the newest line, and same how many lines
	// bear it: a new follow asks for everything since last and skips these.
	last time.Time
	same int
}

func newWatch(n *Node) *watch {
	return &watch{node: n, started: make(chan struct{}, 1), died: make(chan int, 16)}
}

func (e *Env) watchOf(name string) *watch {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.watched[name]
}

// tail renders the last lines for an error message.
func (w *watch) tail() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) == 0 {
		return ""
	}
	return "; it logged last:\n  " + strings.Join(w.lines, "\n  ")
}

// follow copies a node's log, over all of its container's lives, until the
// Env ends. The engine's stream ends with the container; the next start
// begins a new one where the last stopped.
func (e *Env) follow(w *watch) {
	defer e.logs.Done()
	file := e.openLog(w.node.name)
	defer func() {
		if file != nil {
			e.noteFileError(file.Close())
		}
	}()
	for {
		select {
		case <-e.life.Done():
			return
		case <-w.started:
		}
		e.followOnce(w, file)
		w.following.Store(len(w.started) > 0)
	}
}

func (e *Env) followOnce(w *watch, file *os.File) {
	e.mu.Lock()
	id := w.node.id
	e.mu.Unlock()
	options := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: true}
	w.mu.Lock()
	skip := skipper{since: w.last, left: w.same}
	if !w.last.IsZero() {
		options.Since = fmt.Sprintf("%d.%09d", w.last.Unix(), w.last.Nanosecond())
	}
	w.mu.Unlock()
	stream, err := e.engine.Client().ContainerLogs(e.life, id, options)
	if err != nil {
		if e.life.Err() == nil {
			e.progress("follow log of %s: %v", w.node.name, err)
		}
		return
	}
	defer stream.Close()
	sink := func(line string) {
		at, text, ok := splitTimestamp(line)
		if !ok || skip.drop(at) {
			return
		}
		if closing := e.closing.Load(); closing != 0 && at.UnixNano() > closing {
			return // what a node says of being taken down is not of the run
		}
		w.remember(at, text)
		if file != nil {
			if _, err := fmt.Fprintln(file, line); err != nil {
				e.noteFileError(fmt.Errorf("write log of %s: %w", w.node.name, err))
			}
		}
		if e.options.OnLog != nil {
			e.options.OnLog(w.node.name, e.options.Clock.At(at), text)
		}
	}
	// The copy ends with the container, or with life; neither is an error here.
	_, _ = stdcopy.StdCopy(&lineWriter{sink: sink}, &lineWriter{sink: sink}, stream)
}

func (w *watch) remember(at time.Time, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at.Equal(w.last) {
		w.same++
	} else {
		w.last, w.same = at, 1
	}
	w.lines = append(w.lines, text)
	if len(w.lines) > tailLines {
		w.lines = w.lines[len(w.lines)-tailLines:]
	}
}

// skipper drops the lines of a new follow that the one before it delivered.
type skipper struct {
	since time.Time
	left  int
}

func (s *skipper) drop(at time.Time) bool {
	if at.Before(s.since) {
		return true
	}
	if s.left > 0 && at.Equal(s.since) {
		s.left--
		return true
	}
	return false
}

// splitTimestamp takes the engine's time off the front of a line.
func splitTimestamp(line string) (time.Time, string, bool) {
	stamp, text, _ := strings.Cut(line, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	return at, text, err == nil
}

// openLog opens the node's log file, nil when there is no run folder.
func (e *Env) openLog(node string) *os.File {
	if e.options.Dir == "" {
		return nil
	}
	path := filepath.Join(e.options.Dir, "nodes", node+".log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		e.noteFileError(fmt.Errorf("open log of %s: %w", node, err))
		return nil
	}
	return file
}

// noteFileError keeps the first few errors of log files for Close to report:
// a full disk must not be silent, nor be repeated a million times.
func (e *Env) noteFileError(err error) {
	if err == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.fileErrs) < 3 {
		e.fileErrs = append(e.fileErrs, err)
	}
}

// lineWriter cuts a stream into lines.
type lineWriter struct {
	rest []byte
	sink func(line string)
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		l.sink(strings.TrimRight(string(l.rest[:i]), "\r"))
		l.rest = l.rest[i+1:]
	}
}

// Logs reads what a node has logged so far, from the engine.
func (e *Env) Logs(ctx context.Context, n *Node) (string, error) {
	stream, err := e.engine.Client().ContainerLogs(ctx, n.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return "", fmt.Errorf("read log of %s: %w", n.name, err)
	}
	defer stream.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, stream); err != nil {
		return "", fmt.Errorf("read log of %s: %w", n.name, err)
	}
	return text.String(), nil
}
