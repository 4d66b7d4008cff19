package record

import (
	"encoding/binary"
	"fmt"
)

// Bits of an operation's flags. The frequent ones are low, so that the flags
// of a plain operation fit one byte.
const (
	flagOutcome  = 1<<3 - 1
	flagProcess  = 1 << 3 // differs from the operation before
	flagKey      = 1 << 4
	flagValue    = 1 << 5
	flagLane     = 1 << 6 // lane or function differ from the operation before
	flagError    = 1 << 7
	flagExpect   = 1 << 8
	flagValues   = 1 << 9 // Values is not nil
	flagMicro    = 1 << 10
	flagAbsent   = 1 << 11 // Value is Absent; the value before stays the reference
	flagsKnown   = 1<<12 - 1
	smallestOp   = 4 // flags and three times
	smallestStep = 4 // function, key, value, values of a micro-operation
)

// coder is the state that an operation is coded against: the one before it in
// the same block. Differences wrap around, so every int64 can be coded.
type coder struct {
	intended Time
	value    int64
	key      uint64
	process  uint32
	lane     uint8
	function Function
}

// append codes op behind b.
func (c *coder) append(b []byte, op *Op) []byte {
	flags := uint64(op.Outcome) & flagOutcome
	if op.Process != c.process {
		flags |= flagProcess
	}
	if op.Key != c.key {
		flags |= flagKey
	}
	switch op.Value {
	case Absent:
		flags |= flagAbsent
	case c.value:
	default:
		flags |= flagValue
	}
	if op.Lane != c.lane || op.Function != c.function {
		flags |= flagLane
	}
	if op.Error != 0 {
		flags |= flagError
	}
	if op.Expect != 0 {
		flags |= flagExpect
	}
	if op.Values != nil {
		flags |= flagValues
	}
	if op.Micro != nil {
		flags |= flagMicro
	}

	b = binary.AppendUvarint(b, flags)
	if flags&flagProcess != 0 {
		b = binary.AppendVarint(b, int64(op.Process)-int64(c.process))
	}
	if flags&flagLane != 0 {
		b = append(b, op.Lane, byte(op.Function))
	}
	b = binary.AppendVarint(b, int64(op.Intended-c.intended))
	b = binary.AppendVarint(b, int64(op.Start-op.Intended))
	b = binary.AppendVarint(b, int64(op.End-op.Start))
	if flags&flagKey != 0 {
		b = binary.AppendVarint(b, int64(op.Key-c.key))
	}
	if flags&flagValue != 0 {
		b = binary.AppendVarint(b, op.Value-c.value)
		c.value = op.Value
	}
	if flags&flagError != 0 {
		b = binary.AppendUvarint(b, uint64(op.Error))
	}
	if flags&flagExpect != 0 {
		b = binary.AppendVarint(b, op.Expect)
	}
	if flags&flagValues != 0 {
		b = appendValues(b, op.Values)
	}
	if flags&flagMicro != 0 {
		b = binary.AppendUvarint(b, uint64(len(op.Micro)))
		for i := range op.Micro {
			b = appendMicro(b, &op.Micro[i])
		}
	}
	c.intended, c.key, c.process = op.Intended, op.Key, op.Process
	c.lane, c.function = op.Lane, op.Function
	return b
}

// appendValues codes a list as its length plus one (nil is 0) and differences.
func appendValues(b []byte, vs []int64) []byte {
	if vs == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(vs))+1)
	var last int64
	for _, v := range vs {
		b = binary.AppendVarint(b, v-last)
		last = v
	}
	return b
}

func appendMicro(b []byte, m *Micro) []byte {
	b = append(b, byte(m.Function))
	b = binary.AppendUvarint(b, m.Key)
	b = binary.AppendVarint(b, m.Value)
	return appendValues(b, m.Values)
}

// cursor reads a payload; the first malformed field sticks as err.
type cursor struct {
	b   []byte
	err error
}

func (r *cursor) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: malformed %s", ErrCorrupt, what)
	}
	r.b = nil
}

func (r *cursor) byte(what string) byte {
	if len(r.b) == 0 {
		r.fail(what)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *cursor) uvarint(what string) uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := uint64(r.b[0])
		r.b = r.b[1:]
		return v
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(what)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *cursor) varint(what string) int64 {
	u := r.uvarint(what)
	return int64(u>>1) ^ -int64(u&1)
}

// count reads a number of elements that each take at least size bytes, so
// that a hostile count cannot make the reader allocate more than the file.
func (r *cursor) count(what string, size int) int {
	n := r.uvarint(what)
	if n > uint64(len(r.b)/size) {
		r.fail(what)
		return 0
	}
	return int(n)
}

// next decodes the next operation into op, whose fields must be zero.
func (c *coder) next(r *cursor, op *Op) {
	flags := r.uvarint("flags")
	op.Outcome = Outcome(flags & flagOutcome)
	if flags > flagsKnown || op.Outcome > Degraded {
		r.fail("flags")
		return
	}
	if flags&flagProcess != 0 {
		c.process = uint32(int64(c.process) + r.varint("process"))
	}
	if flags&flagLane != 0 {
		c.lane = r.byte("lane")
		c.function = Function(r.byte("function"))
	}
	c.intended += Time(r.varint("intended"))
	op.Intended = c.intended
	op.Start = op.Intended + Time(r.varint("start"))
	op.End = op.Start + Time(r.varint("end"))
	if flags&flagKey != 0 {
		c.key += uint64(r.varint("key"))
	}
	if flags&flagValue != 0 {
		c.value += r.varint("value")
	}
	op.Value = c.value
	if flags&flagAbsent != 0 {
		op.Value = Absent
	}
	if flags&flagError != 0 {
		e := r.uvarint("error class")
		if e > 1<<16-1 {
			r.fail("error class")
		}
		op.Error = uint16(e)
	}
	if flags&flagExpect != 0 {
		op.Expect = r.varint("expect")
	}
	if flags&flagValues != 0 {
		op.Values = r.values()
	}
	if flags&flagMicro != 0 {
		op.Micro = make([]Micro, r.count("micro-operations", smallestStep))
		for i := range op.Micro {
			r.micro(&op.Micro[i])
		}
	}
	op.Process, op.Key, op.Lane, op.Function = c.process, c.key, c.lane, c.function
}

func (r *cursor) values() []int64 {
	n := r.uvarint("values")
	if n == 0 {
		return nil
	}
	if n-1 > uint64(len(r.b)) {
		r.fail("values")
		return nil
	}
	vs := make([]int64, n-1)
	var last int64
	for i := range vs {
		last += r.varint("values")
		vs[i] = last
	}
	return vs
}

func (r *cursor) micro(m *Micro) {
	m.Function = Function(r.byte("micro-operation"))
	m.Key = r.uvarint("micro-operation's key")
	m.Value = r.varint("micro-operation's value")
	m.Values = r.values()
}
