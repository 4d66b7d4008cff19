package record

import (
	"encoding/binary"
	"fmt"
)

// Buffer collects the operations of one worker and writes them in blocks.
// It is not safe for concurrent use. The owner calls Flush at least about
// every 100 ms while it has operations, which bounds what a killed runner
// loses, and Close at the end.
type Buffer struct {
	w     *Writer
	b     []byte
	n     uint32
	state coder
	open  bool
}

// Buffer returns a new buffer.
func (w *Writer) Buffer() *Buffer {
	w.buffers.Add(1)
	return &Buffer{w: w, b: make([]byte, frameLen+countLen, bufferSize+512), open: true}
}

// Append records op. It allocates nothing, unless op carries lists that are
// larger than the buffer, and takes no lock, unless the buffer is full. An
// error is the log's: see Writer.
func (b *Buffer) Append(op *Op) error {
	if op.Outcome > Degraded {
		return fmt.Errorf("log %s: operation has no legal outcome: %d", b.w.path, op.Outcome)
	}
	b.b = b.state.append(b.b, op)
	b.n++
	if len(b.b) >= bufferSize {
		return b.Flush()
	}
	return nil
}

// Len returns the number of operations that are not yet written.
func (b *Buffer) Len() int { return int(b.n) }

// Flush writes what was appended.
func (b *Buffer) Flush() error {
	if b.n == 0 {
		return nil
	}
	binary.LittleEndian.PutUint32(b.b[frameLen:], b.n)
	seal(blockOps, b.b)
	err := b.w.ops(b.b, b.n)
	if cap(b.b) > 16*bufferSize { // one huge list must not stay for the run
		b.b = make([]byte, 0, bufferSize+512)
	}
	b.b = b.b[:frameLen+countLen]
	b.n = 0
	b.state = coder{}
	return err
}

// Close flushes the buffer and gives it up. A second Close does nothing.
func (b *Buffer) Close() error {
	if !b.open {
		return nil
	}
	b.open = false
	err := b.Flush()
	b.w.buffers.Add(-1)
	return err
}
