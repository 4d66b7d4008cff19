package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrPlain is returned (wrapped) when a plain volume is asked for what only an
// interposed one can do.
var ErrPlain = errors.New("the volume is not interposed")

// ErrOff is returned (wrapped) while the volume's power is cut.
var ErrOff = errors.New("the volume's power is cut")

// Behave changes how an interposed volume treats operations, from the next one
// on; those that hang or sleep are judged anew. A volume whose power is cut
// remembers it, and a power cut changes nothing about it: a disk that lies
// goes on lying when it is back.
func (v *Volume) Behave(b Behaviour) error {
	if err := b.Validate(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.usable(); err != nil && !errors.Is(err, ErrOff) {
		return fmt.Errorf("volume %s: %s: %w", v.spec.Name, b, err)
	}
	if !v.spec.Interpose {
		return fmt.Errorf("volume %s: %s: %w", v.spec.Name, b, ErrPlain)
	}
	v.told = b
	if v.server != nil {
		v.server.gate.set(b)
	}
	return nil
}

// Counts is what an interposed volume has seen, and how it behaves now.
func (v *Volume) Counts() (Counts, Behaviour, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.server == nil {
		return Counts{}, Behaviour{}, fmt.Errorf("volume %s: %w", v.spec.Name, ErrPlain)
	}
	return v.server.gate.counts(), v.server.gate.now.Load().Behaviour, nil
}

func (v *Volume) usable() error {
	if v.cut {
		return ErrOff
	}
	if v.root == nil {
		return errors.New("the volume was removed")
	}
	return nil
}

const ballast = "ballast"

// Fill leaves no more than the given bytes free, by a file beside the
// container's folder.
func (v *Volume) Fill(ctx context.Context, leave int64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.usable(); err != nil {
		return fmt.Errorf("fill volume %s: %w", v.spec.Name, err)
	}
	fd, err := unix.Openat(int(v.root.Fd()), ballast, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("fill volume %s: %w", v.spec.Name, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("fill volume %s: %w", v.spec.Name, err)
	}
	size := st.Size
	for step := int64(1 << 40); step >= 4096 && ctx.Err() == nil; {
		free, _, err := v.usage()
		if err != nil {
			return fmt.Errorf("fill volume %s: %w", v.spec.Name, err)
		}
		if step = min(step, free-leave) &^ 4095; step < 4096 {
			break
		}
		// The estimate ignores the file system's own needs: halve until it fits.
		if err := unix.Fallocate(fd, 0, size, step); err == nil {
			size += step
		} else if errors.Is(err, unix.ENOSPC) {
			step /= 2
		} else if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("fill volume %s: allocate: %w", v.spec.Name, err)
		}
	}
	return ctx.Err()
}

// Empty takes the ballast away. Emptying twice is fine.
func (v *Volume) Empty() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.usable(); err != nil {
		return fmt.Errorf("empty volume %s: %w", v.spec.Name, err)
	}
	if err := unix.Unlinkat(int(v.root.Fd()), ballast, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("empty volume %s: %w", v.spec.Name, err)
	}
	return nil
}

// Usage is the free and the whole size in bytes.
func (v *Volume) Usage() (free, total int64, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.usable(); err != nil {
		return 0, 0, fmt.Errorf("volume %s: %w", v.spec.Name, err)
	}
	return v.usage()
}

func (v *Volume) usage() (free, total int64, err error) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(v.root.Fd()), &s); err != nil {
		return 0, 0, fmt.Errorf("read size: %w", err)
	}
	return int64(s.Bavail) * s.Bsize, int64(s.Blocks) * s.Bsize, nil
}

// ours refuses a file system that is not on a loop device of an image of ours.
func (v *Volume) ours() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(v.root.Fd()), &st); err != nil {
		return err
	}
	const loop = 7
	if unix.Major(st.Dev) != loop {
		return fmt.Errorf("its device is %d:%d, not a loop device", unix.Major(st.Dev), unix.Minor(st.Dev))
	}
	backing, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/loop/backing_file", unix.Major(st.Dev), unix.Minor(st.Dev)))
	if err != nil {
		return fmt.Errorf("read the loop device's file: %w", err)
	}
	if filepath.Base(filepath.Dir(string(backing))) != v.spec.Name {
		return fmt.Errorf("its device holds %s", backing)
	}
	return nil
}

// Cut is the power cut: the file system is shut down at once, and what was not
// synced is gone. Operations fail from now on; the container's processes should
// be killed in the same instant, since a machine without power does not see
// errors. Cutting twice is fine. Source: FS_IOC_SHUTDOWN, linux/fs.h, with
// flag 2 (no log flush).
func (v *Volume) Cut() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cut {
		return nil
	}
	err := v.usable()
	if err == nil && v.frozen {
		err = errors.New("its file system is frozen: thaw it first")
	}
	if err == nil {
		err = v.ours()
	}
	if err == nil {
		const shutdown, noLogFlush = 0x8004587d, 2
		flag := uint32(noLogFlush)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, v.root.Fd(), shutdown, uintptr(unsafe.Pointer(&flag))); errno != 0 {
			err = fmt.Errorf("shut down (needs SYS_ADMIN): %w", errno)
		}
	}
	if err != nil {
		return fmt.Errorf("cut power of volume %s: %w", v.spec.Name, err)
	}
	v.cut = true
	return nil
}

// Power brings a cut volume back: it is mounted anew and its journal replayed.
// No process may use it: kill the container first, start it afterwards. A
// volume with power is fine; one that is still in use is an error, because two
// mounts of one disk would destroy it.
func (v *Volume) Power() error {
	v.mu.Lock()
	if !v.cut {
		v.mu.Unlock()
		return nil
	}
	err := v.unmountLocked(true)
	v.mu.Unlock()
	if err == nil {
		err = v.mount()
	}
	if err != nil {
		return fmt.Errorf("power volume %s: %w", v.spec.Name, err)
	}
	v.mu.Lock()
	v.cut = false
	v.mu.Unlock()
	return nil
}

// Requests of linux/fs.h.
const (
	freeze = 0xc0045877 // FIFREEZE
	thaw   = 0xc0045878 // FITHAW
)

// Freeze makes every write to the file system wait, also of plain volumes
// (FIFREEZE, ioctl_fsfreeze). Freezing twice is fine.
func (v *Volume) Freeze() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	err := v.usable()
	if err == nil {
		err = v.ours()
	}
	if err == nil && !v.frozen {
		err = fsfreeze(v.root, freeze)
	}
	if err != nil {
		return fmt.Errorf("freeze volume %s: %w", v.spec.Name, err)
	}
	v.frozen = true
	return nil
}

// Thaw ends Freeze. Thawing twice is fine.
func (v *Volume) Thaw() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.thawLocked()
}

func (v *Volume) thawLocked() error {
	if !v.frozen || v.root == nil {
		return nil
	}
	if err := fsfreeze(v.root, thaw); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("thaw volume %s: %w", v.spec.Name, err)
	}
	v.frozen = false
	return nil
}

func fsfreeze(root *os.File, request uint) error {
	if err := unix.IoctlSetInt(int(root.Fd()), request, 0); err != nil {
		return fmt.Errorf("(needs SYS_ADMIN): %w", err)
	}
	return nil
}
