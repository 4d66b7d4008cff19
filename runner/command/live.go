package command

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
	"github.com/hadrill/hadrill/runner/suite"
)

// How often there is a sign of life.
const (
	terminalBeat = 200 * time.Millisecond
	plainBeat    = 10 * time.Second
)

// live shows runs under way: one line rewritten in place on a terminal; plain
// lines with a heartbeat elsewhere, so that a CI log shows that it lives.
type live struct {
	out      io.Writer
	terminal bool
	total    int
	began    time.Time

	mu       sync.Mutex
	finished int
	current  map[string]runner.Progress
	quit     chan struct{}
	ended    chan struct{}
	once     sync.Once
}

func newLive(out io.Writer, total int) *live {
	l := &live{
		out: out, terminal: isTerminal(out), total: total, began: time.Now(),
		current: map[string]runner.Progress{}, quit: make(chan struct{}), ended: make(chan struct{}),
	}
	go l.beat()
	return l
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (l *live) beat() {
	defer close(l.ended)
	period := plainBeat
	if l.terminal {
		period = terminalBeat
	}
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.show()
		case <-l.quit:
			return
		}
	}
}

// stop ends the beat; a second call does nothing.
func (l *live) stop() {
	l.once.Do(func() {
		close(l.quit)
		<-l.ended
		l.clear()
	})
}

// progress takes a sign of life of a run.
func (l *live) progress(p runner.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.current[p.Scenario]
	l.current[p.Scenario] = p
	if !l.terminal && (old.Phase != p.Phase || p.Text != "") {
		fmt.Fprintf(l.out, "%s  %-44s %-10s %s\n", l.stamp(), p.Scenario, p.Phase, p.Text)
	}
}

// done prints the line that stays.
func (l *live) done(o suite.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished++
	delete(l.current, o.Scenario.Name)
	l.clear()
	word, why := "ERROR", ""
	switch {
	case o.Err != nil && l.total > 1:
		why = strings.ReplaceAll(o.Err.Error(), "\n", "; ")
	case o.Err != nil: // told in a moment, as the command's own error
	case o.Result != nil:
		word, why = strings.ToUpper(o.Result.Verdict.String()), o.Result.Reason
		if o.Result.Caught != nil && o.Result.Caught.Caught {
			word = "CAUGHT"
		} else if o.Scenario.TwinOf != "" && o.Result.Verdict == record.Pass {
			word = "MISSED"
		}
	}
	fmt.Fprintf(l.out, "%s  %-44s %-12s %5.1fs  %s\n", l.stamp(), o.Scenario.Name, word, o.Elapsed.Seconds(), why)
}

func (l *live) show() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var parts []string
	for _, p := range l.current {
		part := p.Scenario + " " + p.Phase
		if p.Stats.Intended > 0 {
			part += fmt.Sprintf(" (%d intended, %d ok, %d bad)", p.Stats.Intended, p.Stats.Ok, p.Stats.Fail+p.Stats.Info)
		}
		parts = append(parts, part)
	}
	slices.Sort(parts)
	line := fmt.Sprintf("%s  %d/%d  %s", l.stamp(), l.finished, l.total, strings.Join(parts, "; "))
	if l.terminal {
		fmt.Fprintf(l.out, "\r\x1b[K%s", line)
	} else {
		fmt.Fprintln(l.out, line)
	}
}

func (l *live) clear() {
	if l.terminal {
		fmt.Fprint(l.out, "\r\x1b[K")
	}
}

func (l *live) stamp() string {
	d := time.Since(l.began).Round(time.Second)
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
