package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
)

// MaxErrorClasses bounds the error classes of a log, the empty one included;
// what comes after them is classed "other".
const MaxErrorClasses = 512

// maxClassLen bounds the text of an error class, in bytes.
const maxClassLen = 200

// file is what a Writer needs of *os.File.
type file interface {
	io.Writer
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Writer writes a log. Its methods are safe for concurrent use. The first
// failed write ends the log: what was written before stays readable, the same
// error is returned from then on.
type Writer struct {
	path string

	mu     sync.Mutex // guards the fields below
	file   file
	size   int64
	header Header
	total  trailer
	err    error
	closed bool

	classes sync.Mutex // guards ids; never held together with mu by a caller of mu
	ids     map[string]uint16

	buffers atomic.Int64 // open buffers
}

// Create makes a new log at path with h as its header. It replaces what was
// there.
func Create(path string, h Header) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	w, err := newWriter(path, f, h)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

func newWriter(path string, f file, h Header) (*Writer, error) {
	h.Schema = SchemaVersion
	w := &Writer{path: path, file: f, header: h, ids: map[string]uint16{"": 0}}
	w.mu.Lock()
	err := w.write(preamble())
	w.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return w, w.json(blockHeader, h, nil)
}

// Event records e.
func (w *Writer) Event(e Event) error {
	return w.json(blockEvent, e, func() { w.total.Events++ })
}

// Amend lets change alter the header and records the result: for what is
// known only after the log was created (lanes, images, versions). Readers see
// the last header.
func (w *Writer) Amend(change func(*Header)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.header
	change(&h)
	h.Schema = SchemaVersion
	b, err := encodeJSON(blockHeader, h)
	if err != nil {
		return fmt.Errorf("amend header of %s: %w", w.path, err)
	}
	if err := w.block(b); err != nil {
		return err
	}
	w.header = h
	return nil
}

// SetLanes records the lanes that operations refer to.
func (w *Writer) SetLanes(lanes []Lane) error {
	return w.Amend(func(h *Header) { h.Lanes = lanes })
}

// ErrorClass returns the number of an error class for Op.Error, recording the
// class when it is new. At most MaxErrorClasses are told apart; the rest is
// "other". The empty class is 0.
func (w *Writer) ErrorClass(s string) uint16 {
	if len(s) > maxClassLen {
		s = s[:maxClassLen]
	}
	w.classes.Lock()
	defer w.classes.Unlock()
	if id, ok := w.ids[s]; ok {
		return id
	}
	if len(w.ids) >= MaxErrorClasses-1 {
		if s = "other"; w.ids[s] != 0 {
			return w.ids[s]
		}
	}
	id := uint16(len(w.ids))
	w.ids[s] = id
	// A failed write is sticky and returned by the operation's own Flush.
	_ = w.json(blockErrorClass, errorClass{id, s}, nil)
	return id
}

// Close ends the log: it writes the trailer and forces the log to disk. A
// Buffer that is still open is an error, and the log then has no trailer:
// operations may be missing from it.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	var errs []error
	if n := w.buffers.Load(); n > 0 {
		errs = append(errs, fmt.Errorf("close log %s: %d buffers are still open", w.path, n))
	} else if b, err := encodeJSON(blockTrailer, w.total); err != nil {
		errs = append(errs, err)
	} else if err := w.block(b); err != nil {
		errs = append(errs, err)
	}
	if w.err == nil {
		if err := w.file.Sync(); err != nil {
			errs = append(errs, w.explain("sync", err))
		}
	}
	if err := w.file.Close(); err != nil {
		errs = append(errs, w.explain("close", err))
	}
	if w.err == nil {
		w.err = fmt.Errorf("log %s: %w", w.path, os.ErrClosed)
	}
	return errors.Join(errs...)
}

// Err returns what ended the log early, or nil.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed && errors.Is(w.err, os.ErrClosed) {
		return nil
	}
	return w.err
}

// json writes v as one block and runs then under the lock once it is written.
func (w *Writer) json(kind byte, v any, then func()) error {
	b, err := encodeJSON(kind, v)
	if err != nil {
		return fmt.Errorf("log %s: %w", w.path, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.block(b); err != nil {
		return err
	}
	if then != nil {
		then()
	}
	return nil
}

func encodeJSON(kind byte, v any) ([]byte, error) {
	p, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	b := append(make([]byte, frameLen, frameLen+len(p)), p...)
	seal(kind, b)
	return b, nil
}

// ops writes a sealed block of n operations.
func (w *Writer) ops(block []byte, n uint32) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.block(block); err != nil {
		return err
	}
	w.total.Ops += uint64(n)
	return nil
}

// block writes one sealed block; mu is held.
func (w *Writer) block(b []byte) error {
	if len(b)-frameLen > maxPayload {
		return fmt.Errorf("log %s: a block of %d bytes is above the limit of %d", w.path, len(b), maxPayload)
	}
	if err := w.write(b); err != nil {
		return err
	}
	w.total.Blocks++
	return nil
}

// write hands b to the kernel in one call, without a buffer of our own: what
// was written survives the death of this process. mu is held.
func (w *Writer) write(b []byte) error {
	if w.err != nil {
		return w.err
	}
	n, err := w.file.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = w.explain("write", err)
		// A half block is cut off where that is possible; a reader would
		// stop in front of it anyway.
		if n > 0 {
			_ = w.file.Truncate(w.size)
		}
		return w.err
	}
	w.size += int64(n)
	return nil
}

// explain says what failed, what is left and what to do about it.
func (w *Writer) explain(what string, err error) error {
	var at *fs.PathError // names the path once more
	if errors.As(err, &at) {
		err = at.Err
	}
	remedy := "check the file system"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, io.ErrShortWrite) {
		remedy = "free space there or choose another run folder"
	}
	return fmt.Errorf("%s log %s: %w; its first %d operations and %d events stay readable; %s (%s) and run again",
		what, w.path, err, w.total.Ops, w.total.Events, remedy, filepath.Dir(w.path))
}
