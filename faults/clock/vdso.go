package clock

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strings"
)

// entry is a function of the vDSO and its replacement's offset in the slack.
type entry struct {
	symbol string
	code   uint64
}

// image is a process's vDSO.
type image struct {
	mem   *os.File // /proc/PID/mem
	base  uint64
	size  uint64
	slack uint64            // address of the first free byte, 16-aligned
	at    map[string]uint64 // addresses of the entries that this kernel has
}

// errNoImage says that a process has no vDSO, as kernel threads and processes
// that are just ending.
var errNoImage = errors.New("no vdso")

// open reads and parses a process's vDSO.
func open(pid int) (*image, error) {
	base, size, err := find(pid)
	if err != nil {
		return nil, err
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open memory of process %d (needs SYS_PTRACE): %w", pid, err)
	}
	im := &image{mem: mem, base: base, size: size, at: map[string]uint64{}}
	if err := im.parse(); err != nil {
		return nil, errors.Join(fmt.Errorf("parse vdso of process %d: %w", pid, err), mem.Close())
	}
	return im, nil
}

func find(pid int) (base, size uint64, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read memory map of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(maps)) {
		if !strings.Contains(line, "[vdso]") {
			continue
		}
		var end uint64
		if _, err := fmt.Sscanf(line, "%x-%x", &base, &end); err != nil {
			return 0, 0, fmt.Errorf("parse memory map %q: %w", line, err)
		}
		return base, end - base, nil
	}
	return 0, 0, errNoImage
}

func (im *image) parse() error {
	b := make([]byte, im.size)
	if _, err := im.mem.ReadAt(b, int64(im.base)); err != nil {
		return err
	}
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return err
	}
	if f.Class != elf.ELFCLASS64 {
		return fmt.Errorf("%s is not supported", f.Class)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return err
	}
	for _, s := range symbols {
		for _, e := range entries {
			if s.Name == e.symbol && s.Size >= jumpLength {
				im.at[e.symbol] = im.base + s.Value
			}
		}
	}
	if _, ok := im.at["__vdso_clock_gettime"]; !ok {
		return errors.New("it has no __vdso_clock_gettime that could be replaced")
	}
	// The file ends with its section headers; what follows in the last page is
	// padding.
	var end uint64
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOBITS {
			end = max(end, s.Offset+s.FileSize)
		}
	}
	for _, p := range f.Progs {
		end = max(end, p.Off+p.Filesz)
	}
	headers := uint64(len(f.Sections)) * 64 // e_shentsize of a 64-bit file
	end = max(end, le.Uint64(b[40:])+headers)
	end = (end + 15) &^ 15
	if end+offsetEnd > im.size {
		return fmt.Errorf("%d bytes of slack, %d needed", max(im.size, end)-end, offsetEnd)
	}
	im.slack = im.base + end
	return nil
}

func (im *image) read(at uint64, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := im.mem.ReadAt(b, int64(at))
	return b, err
}

func (im *image) write(at uint64, b []byte) error {
	_, err := im.mem.WriteAt(b, int64(at))
	return err
}
