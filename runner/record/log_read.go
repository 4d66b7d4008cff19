package record

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Open reads the log at path up to its last whole block. Ops come in order of
// Intended, then Process, then Lane, then Start; events in order of At.
// Truncated is set when the trailer is missing: the run was cut short, or its
// disk was full. A log takes about 112 bytes an operation in memory.
func Open(path string) (*Log, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer f.Close() // read only: nothing to lose
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	log, err := decode(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("read log %s: %w", path, err)
	}
	return log, nil
}

// decode reads a log of size bytes.
func decode(r io.ReaderAt, size int64) (*Log, error) {
	head := make([]byte, min(size, int64(preambleLen)))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := checkPreamble(head); err != nil {
		return nil, err
	}
	n, err := countOps(r, size)
	if err != nil {
		return nil, err
	}
	d := decoder{log: &Log{Ops: make([]Op, 0, n), Errors: []string{""}, Truncated: true}}
	blocks := blockReader{r: r, size: size, at: int64(preambleLen)}
	for d.log.Truncated {
		kind, payload, err := blocks.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := d.block(kind, payload); err != nil {
			return nil, err
		}
	}
	if !d.header {
		return nil, errors.New("the log ends before its header: the run was killed as it began")
	}
	sortOps(d.log.Ops)
	slices.SortStableFunc(d.log.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return d.log, nil
}

// countOps sums the block counts, so that Ops is allocated once and exactly.
// A count is believed only as far as its block could hold it.
func countOps(r io.ReaderAt, size int64) (uint64, error) {
	var total uint64
	var head [frameLen + countLen]byte
	for at := int64(preambleLen); at+int64(len(head)) <= size; {
		if _, err := r.ReadAt(head[:], at); err != nil {
			return 0, err
		}
		length := int64(binary.LittleEndian.Uint32(head[1:]))
		if at+frameLen+length > size {
			break
		}
		if head[0] == blockOps && length >= countLen {
			n := uint64(binary.LittleEndian.Uint32(head[frameLen:]))
			total += min(n, uint64(length-countLen)/smallestOp)
		}
		at += frameLen + length
	}
	return total, nil
}

// blockReader follows the chain of blocks; io.EOF is its end, or the first
// block that is not whole.
type blockReader struct {
	r        io.ReaderAt
	size, at int64
	buf      []byte
}

func (b *blockReader) next() (kind byte, payload []byte, err error) {
	var head [frameLen]byte
	if b.at+frameLen > b.size {
		return 0, nil, io.EOF
	}
	if _, err := b.r.ReadAt(head[:], b.at); err != nil {
		return 0, nil, err
	}
	length := int64(binary.LittleEndian.Uint32(head[1:]))
	if length > maxPayload || b.at+frameLen+length > b.size {
		return 0, nil, io.EOF
	}
	b.buf = append(b.buf[:0], head[:]...)
	b.buf = slices.Grow(b.buf, int(length))[:frameLen+length]
	if _, err := b.r.ReadAt(b.buf[frameLen:], b.at+frameLen); err != nil && !errors.Is(err, io.EOF) {
		return 0, nil, err
	}
	if checksum(b.buf) != binary.LittleEndian.Uint32(head[5:]) {
		return 0, nil, io.EOF
	}
	b.at += frameLen + length
	return head[0], b.buf[frameLen:], nil
}

// decoder builds a Log from whole blocks.
type decoder struct {
	log    *Log
	header bool
	blocks uint64
}

func (d *decoder) block(kind byte, payload []byte) error {
	if !d.header && kind != blockHeader {
		return fmt.Errorf("%w: block %q before the header", ErrCorrupt, kind)
	}
	var err error
	switch kind {
	case blockHeader:
		var h Header
		if err = json.Unmarshal(payload, &h); err == nil {
			d.log.Header, d.header = h, true
		}
	case blockErrorClass:
		err = d.class(payload)
	case blockOps:
		err = d.ops(payload)
	case blockEvent:
		var e Event
		if err = json.Unmarshal(payload, &e); err == nil {
			d.log.Events = append(d.log.Events, e)
		}
	case blockTrailer:
		err = d.trailer(payload)
	default:
		return fmt.Errorf("%w: block of unknown type %q", ErrCorrupt, kind)
	}
	if err != nil && !errors.Is(err, ErrCorrupt) {
		err = fmt.Errorf("%w: block %q: %w", ErrCorrupt, kind, err)
	}
	d.blocks++
	return err
}

func (d *decoder) class(payload []byte) error {
	var c errorClass
	if err := json.Unmarshal(payload, &c); err != nil {
		return err
	}
	if c.ID >= MaxErrorClasses {
		return fmt.Errorf("%w: error class %d is above the limit", ErrCorrupt, c.ID)
	}
	for len(d.log.Errors) <= int(c.ID) {
		d.log.Errors = append(d.log.Errors, "")
	}
	d.log.Errors[c.ID] = c.Class
	return nil
}

func (d *decoder) ops(payload []byte) error {
	if len(payload) < countLen {
		return fmt.Errorf("%w: block of operations without a count", ErrCorrupt)
	}
	n := int(binary.LittleEndian.Uint32(payload))
	r := cursor{b: payload[countLen:]}
	if n > len(r.b)/smallestOp {
		return fmt.Errorf("%w: block of operations is too short for its count", ErrCorrupt)
	}
	at := len(d.log.Ops)
	d.log.Ops = slices.Grow(d.log.Ops, n)[:at+n]
	var state coder
	for i := at; i < at+n && r.err == nil; i++ {
		state.next(&r, &d.log.Ops[i])
		// A class is always written before the operation that refers to it.
		if int(d.log.Ops[i].Error) >= len(d.log.Errors) {
			r.fail("error class")
		}
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("end of a block of operations")
	}
	return r.err
}

func (d *decoder) trailer(payload []byte) error {
	var t trailer
	if err := json.Unmarshal(payload, &t); err != nil {
		return err
	}
	got := trailer{Ops: uint64(len(d.log.Ops)), Events: uint64(len(d.log.Events)), Blocks: d.blocks}
	if t != got {
		return fmt.Errorf("%w: trailer counts %+v, the log holds %+v", ErrCorrupt, t, got)
	}
	d.log.Truncated = false
	return nil
}

// sortOps sorts by Intended, Process, Lane, Start. Blocks of several workers
// interleave within the time between two flushes, so the input is nearly
// sorted; only keys are sorted and each operation is moved once.
func sortOps(ops []Op) {
	sorted := true
	for i := 1; i < len(ops) && sorted; i++ {
		sorted = compareOps(&ops[i-1], &ops[i]) <= 0
	}
	if sorted {
		return
	}
	type key struct {
		intended Time
		at       uint32
	}
	keys := make([]key, len(ops))
	for i := range ops {
		keys[i] = key{ops[i].Intended, uint32(i)}
	}
	slices.SortFunc(keys, func(a, b key) int {
		if a.intended != b.intended {
			return cmp.Compare(a.intended, b.intended)
		}
		if c := compareOps(&ops[a.at], &ops[b.at]); c != 0 {
			return c
		}
		return cmp.Compare(a.at, b.at)
	})
	// Follow each cycle of the permutation: keys[i].at is where ops[i] comes from.
	for i := range ops {
		if int(keys[i].at) == i {
			continue
		}
		held, to := ops[i], i
		for {
			from := int(keys[to].at)
			keys[to].at = uint32(to)
			if from == i {
				ops[to] = held
				break
			}
			ops[to] = ops[from]
			to = from
		}
	}
}

func compareOps(a, b *Op) int {
	return cmp.Or(cmp.Compare(a.Intended, b.Intended), cmp.Compare(a.Process, b.Process),
		cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Start, b.Start))
}
