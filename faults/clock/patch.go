package clock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	jumpLength = 5
	savedBytes = 16

	offsetActive = 8
	offsetBlockA = 16
	offsetBlockB = 48
	offsetSaved  = 80
)

var (
	marker = []byte("hadrillC")
	le     = binary.LittleEndian
	ne     = binary.NativeEndian
)

// errBusy says that a thread stands where bytes are about to change.
var errBusy = errors.New("a thread is inside the code to be changed")

// gone tells whether an error means that the process is no more. Memory that
// was opened before its process ended reads as empty (proc_pid_mem(5)): EOF.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, errNoImage) || errors.Is(err, io.EOF)
}

// patch gives a frozen process a skew, or changes the one it has. It reports
// whether the process was patched anew.
func patch(pid int, ref time.Time, s Skew) (fresh bool, err error) {
	im, err := open(pid)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, im.mem.Close()) }()
	patched, err := im.patched()
	if err != nil {
		return false, err
	}
	if patched {
		return false, im.change(s.encode(ref))
	}
	if err := im.free(pid, im.heads()); err != nil {
		return false, err
	}
	if err := im.install(s.encode(ref)); err != nil {
		return false, fmt.Errorf("patch vdso of process %d: %w", pid, errors.Join(err, im.restore(), im.empty()))
	}
	return true, nil
}

// patched reads the marker.
func (im *image) patched() (bool, error) {
	b, err := im.read(im.slack, len(marker))
	return bytes.Equal(b, marker), err
}

// install writes the slack first and the jumps last.
func (im *image) install(parameters []byte) error {
	code, err := machineCode()
	if err != nil {
		return err
	}
	slack, err := im.read(im.slack, offsetEnd)
	if err != nil {
		return err
	}
	if !bytes.Equal(slack, make([]byte, offsetEnd)) {
		return errors.New("the slack is in use by something else")
	}
	copy(slack, marker)
	ne.PutUint64(slack[offsetActive:], offsetBlockA)
	copy(slack[offsetBlockA:], parameters)
	for i, e := range entries {
		at, ok := im.at[e.symbol]
		if !ok {
			continue
		}
		old, err := im.read(at, savedBytes)
		if err != nil {
			return err
		}
		saved := slack[offsetSaved+24*i:]
		ne.PutUint64(saved, at-im.base)
		copy(saved[8:], old)
	}
	copy(slack[offsetCode:], code)
	if err := im.write(im.slack, slack); err != nil {
		return err
	}
	for _, e := range entries {
		if at, ok := im.at[e.symbol]; ok {
			j := jump(at, im.slack+e.code)
			if err := im.write(at, j[:]); err != nil {
				return err
			}
		}
	}
	return im.verify()
}

// verify reads back that every entry jumps into the slack.
func (im *image) verify() error {
	for _, e := range entries {
		at, ok := im.at[e.symbol]
		if !ok {
			continue
		}
		want := jump(at, im.slack+e.code)
		got, err := im.read(at, jumpLength)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want[:]) {
			return fmt.Errorf("%s reads % x, written % x", e.symbol, got, want)
		}
	}
	return nil
}

// change writes the block that is not in use, then turns the cell that says
// which one is: a thread reads the old parameters or the new, never a mixture.
func (im *image) change(parameters []byte) error {
	now, err := im.read(im.slack+offsetActive, 8)
	if err != nil {
		return err
	}
	next := uint64(offsetBlockA)
	if ne.Uint64(now) == offsetBlockA {
		next = offsetBlockB
	}
	if err := im.write(im.slack+next, parameters); err != nil {
		return err
	}
	return im.write(im.slack+offsetActive, ne.AppendUint64(nil, next))
}

// revert gives a frozen process its own code back. A process that is not
// patched, or gone, is fine.
func revert(pid int) (err error) {
	im, err := open(pid)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, im.mem.Close()) }()
	if patched, err := im.patched(); err != nil || !patched {
		return err
	}
	if err := im.free(pid, im.heads()); err != nil {
		return err
	}
	if err := im.restore(); err != nil {
		return fmt.Errorf("restore vdso of process %d: %w", pid, err)
	}
	// From here on the process tells the true time. A thread that asks all the
	// time may stand in the replacement still; it leaves it once it runs, and
	// the next attempt empties the slack.
	if err := im.free(pid, []span{{im.slack, im.slack + offsetEnd}}); err != nil {
		return err
	}
	return im.empty()
}

// restore writes the saved bytes back; again is fine.
func (im *image) restore() error {
	if patched, err := im.patched(); err != nil || !patched {
		return err
	}
	for i := range entries {
		saved, err := im.read(im.slack+uint64(offsetSaved+24*i), 24)
		if err != nil {
			return err
		}
		at := ne.Uint64(saved)
		if at == 0 {
			continue
		}
		if at+savedBytes > im.slack-im.base {
			return fmt.Errorf("saved entry point %#x is outside the vdso", at)
		}
		if err := im.write(im.base+at, saved[8:]); err != nil {
			return err
		}
	}
	return nil
}

// empty makes the slack what it was.
func (im *image) empty() error { return im.write(im.slack, make([]byte, offsetEnd)) }

// Patched tells whether a process's clock is skewed by this package.
func Patched(pid int) (yes bool, err error) {
	im, err := open(pid)
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, im.mem.Close()) }()
	if yes, err = im.patched(); gone(err) {
		return false, nil
	}
	return yes, err
}

// span is a range of addresses.
type span struct{ from, to uint64 }

// heads are the bytes that become jumps; a thread that stands at the very
// first runs either the old instruction or the jump, which is fine.
func (im *image) heads() []span {
	var s []span
	for _, at := range im.at {
		s = append(s, span{at + 1, at + jumpLength})
	}
	return s
}

// free checks that no thread of a frozen process stands in a span.
func (im *image) free(pid int, spans []span) error {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", pid))
	if err != nil {
		return err
	}
	for _, t := range tasks {
		pc, err := counter(t)
		if gone(err) {
			continue
		}
		if err != nil {
			return err
		}
		for _, s := range spans {
			if s.from <= pc && pc < s.to {
				return errBusy
			}
		}
	}
	return nil
}

// counter reads where a thread will go on. Source: proc_pid_syscall(5).
func counter(task string) (uint64, error) {
	b, err := os.ReadFile(task + "/syscall")
	if err != nil {
		return 0, fmt.Errorf("read where a thread stands (needs SYS_PTRACE): %w", err)
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0, errBusy // "running": not frozen yet
	}
	return strconv.ParseUint(strings.TrimPrefix(fields[len(fields)-1], "0x"), 16, 64)
}
