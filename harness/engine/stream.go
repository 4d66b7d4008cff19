package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/moby/moby/api/types/jsonstream"
)

// drain reads a stream of engine messages to its end and returns the error
// that the engine put into it, if any.
func drain(stream io.Reader) error {
	decoder := json.NewDecoder(stream)
	for {
		var message jsonstream.Message
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if message.Error != nil {
			return message.Error
		}
	}
}

// lineWriter reports a child's output line by line and remembers the line that
// most likely says why it failed.
type lineWriter struct {
	report reporter
	stage  string

	lock    sync.Mutex
	partial []byte
	tail    []string
}

// Write implements io.Writer; it never fails.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.partial = append(w.partial, p...)
	for {
		end := bytes.IndexByte(w.partial, '\n')
		if end < 0 {
			return len(p), nil
		}
		line := strings.TrimSpace(string(w.partial[:end]))
		w.partial = w.partial[end+1:]
		if line == "" {
			continue
		}
		w.report.line(w.stage, line)
		if w.tail = append(w.tail, line); len(w.tail) > tailLines {
			w.tail = w.tail[1:]
		}
	}
}

// last is the telling line of what was written so far.
func (w *lineWriter) last() string {
	w.lock.Lock()
	defer w.lock.Unlock()
	if line := telling(w.tail, ""); line != "" {
		return line
	}
	return "it said nothing"
}
