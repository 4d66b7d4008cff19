package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// journal is the undo record: a file of JSON lines in the run's own volume.
//
//	{"do":"begin","id":"...","action":"pause","node":"<container id>"}
//	{"do":"save","id":"...","saved":{...}}       what undoing needs to know
//	{"do":"done","id":"..."}                      undone: forget it
//
// A line is in the file before the deed it announces. It survives the agent in
// the kernel's page cache from the moment write(2) returns. It is not forced to
// the disk: what the record is for (rules, freezers, quotas, patches) lives in
// the kernel's memory too and dies with the machine at the same instant, and a
// pause that waits for a disk is a pause that comes late. A line that was cut
// short announces a deed that was never done.
type journal struct {
	mu   sync.Mutex
	file *os.File
}

// entry is one line, and the state of one damage.
type entry struct {
	Do     string          `json:"do"`
	ID     string          `json:"id"`
	Action string          `json:"action,omitempty"`
	Node   string          `json:"node,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Saved  json.RawMessage `json:"saved,omitempty"`
}

const (
	doBegin = "begin"
	doSave  = "save"
	doDone  = "done"
)

// openJournal opens or creates the record and returns what is not yet undone.
func openJournal(path string) (*journal, []entry, error) {
	pending, err := readJournal(path)
	if err != nil {
		return nil, nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open undo record: %w", err)
	}
	// A cut line must not swallow the next one.
	if _, err := file.WriteString("\n"); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("write undo record: %w", err), file.Close())
	}
	return &journal{file: file}, pending, nil
}

// readJournal replays a record: what was begun and not done, in order.
func readJournal(path string) ([]entry, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open undo record: %w", err)
	}
	defer file.Close()
	var order []string
	open := map[string]entry{}
	for reader := bufio.NewReader(file); ; {
		line, err := reader.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var e entry
			if json.Unmarshal(line, &e) == nil {
				order = replay(open, order, e)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read undo record: %w", err)
		}
	}
	var pending []entry
	for _, id := range order {
		if e, ok := open[id]; ok {
			pending = append(pending, e)
			delete(open, id) // an id begun twice is listed once
		}
	}
	return pending, nil
}

func replay(open map[string]entry, order []string, e entry) []string {
	switch e.Do {
	case doBegin:
		open[e.ID] = e
		return append(order, e.ID)
	case doSave:
		if begun, ok := open[e.ID]; ok {
			begun.Saved = e.Saved
			open[e.ID] = begun
		}
	case doDone:
		delete(open, e.ID)
	}
	return order
}

// write appends lines, in one piece.
func (j *journal) write(entries ...entry) error {
	var lines []byte
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode undo record: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	if len(lines) == 0 {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(lines); err != nil {
		return fmt.Errorf("write undo record: %w", err)
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }
