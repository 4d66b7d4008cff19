package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The event log on disk.
//
// A log is written once, from front to back, and must be readable after any
// ending: a clean close, SIGKILL of the runner, a full disk. So it is a chain
// of framed blocks, each handed to the kernel by one write and each carrying
// its own checksum; a reader follows the chain to the last whole block.
//
//	┌────────────┬─────────┐
//	│ "HADRILL\n"│ version │   preamble: 8 bytes, then uint16
//	├────────────┴─────────┴──────────────────────────────┐
//	│ H  header, JSON                                     │  the first block
//	├─────────────────────────────────────────────────────┤
//	│ C  error class, JSON {id, class}                    │  before the first
//	├─────────────────────────────────────────────────────┤  operation that
//	│ O  operations                                       │  refers to it
//	├─────────────────────────────────────────────────────┤
//	│ E  event, JSON                                      │
//	├─────────────────────────────────────────────────────┤
//	│ H  amended header: the last one counts              │
//	├─────────────────────────────────────────────────────┤
//	│ ...                                                 │
//	├─────────────────────────────────────────────────────┤
//	│ T  trailer, JSON {ops, events, blocks}              │  absent when the
//	└─────────────────────────────────────────────────────┘  run was cut short
//
//	block   = │ type 1 │ length uint32 │ crc32c uint32 │ payload ... │
//	O       = │ count uint32 │ operation │ operation │ ... │
//
// All fixed integers are little-endian. The checksum covers type, length and
// payload. Blocks of operations stand on their own: an operation is coded as
// its differences from the one before it in the same block, the first from
// zero. So blocks of several writers interleave freely and a lost tail costs
// only itself.
//
//	operation = │ flags │ process? │ lane, function? │ intended │ start-intended │
//	            │ end-start │ key? │ value? │ error? │ expect? │ values? │ micro? │
//
// flags is an unsigned varint; its low bits are the outcome and its higher
// bits say which of the optional fields (marked ?) follow. Times, keys and
// values are zigzag varints. A set-add at a steady rate takes 12 to 16 bytes.
const (
	logMagic    = "HADRILL\n"
	preambleLen = len(logMagic) + 2
	frameLen    = 1 + 4 + 4
	countLen    = 4

	blockHeader     = 'H'
	blockErrorClass = 'C'
	blockOps        = 'O'
	blockEvent      = 'E'
	blockTrailer    = 'T'

	// bufferSize is the size at which a Buffer writes its block by itself.
	bufferSize = 32 << 10
	// maxPayload bounds a block, so that lengths fit and a reader on a small
	// machine can hold one.
	maxPayload = 1 << 30
)

// ErrCorrupt marks a log whose blocks are whole by their checksums but whose
// content cannot be: it was not written by this package, or was edited.
var ErrCorrupt = errors.New("corrupt log")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errorClass is the payload of a C block.
type errorClass struct {
	ID    uint16 `json:"id"`
	Class string `json:"class"`
}

// trailer is the payload of the T block: what a complete log holds.
type trailer struct {
	Ops    uint64 `json:"ops"`
	Events uint64 `json:"events"`
	Blocks uint64 `json:"blocks"` // before the trailer
}

// preamble returns the first bytes of every log.
func preamble() []byte {
	return binary.LittleEndian.AppendUint16([]byte(logMagic), SchemaVersion)
}

// checkPreamble tells whether b begins a log that this version reads.
func checkPreamble(b []byte) error {
	if len(b) < preambleLen || string(b[:len(logMagic)]) != logMagic {
		return errors.New("not a hadrill event log")
	}
	if v := binary.LittleEndian.Uint16(b[len(logMagic):]); v != SchemaVersion {
		return fmt.Errorf("log has schema version %d, this hadrill reads version %d: read it with the release that wrote it", v, SchemaVersion)
	}
	return nil
}

// seal fills the frame at the front of block, whose payload begins at frameLen.
func seal(kind byte, block []byte) {
	block[0] = kind
	binary.LittleEndian.PutUint32(block[1:], uint32(len(block)-frameLen))
	binary.LittleEndian.PutUint32(block[5:], checksum(block))
}

// checksum is the CRC-32C of a framed block without its checksum field.
func checksum(block []byte) uint32 {
	c := crc32.Update(0, castagnoli, block[:5])
	return crc32.Update(c, castagnoli, block[frameLen:])
}
