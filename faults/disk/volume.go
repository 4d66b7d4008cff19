package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Spec declares a volume.
type Spec struct {
	Name string `json:"name"` // a file name, unique in the site
	// SizeMB is what the file system can hold, roughly; at least 16.
	SizeMB int64 `json:"size_mb"`
	// Interpose puts our server between container and file system.
	Interpose bool `json:"interpose,omitempty"`
}

// Validate reports a spec that cannot be.
func (s Spec) Validate() error {
	if s.Name == "" || strings.ContainsAny(s.Name, "/\x00 \n\t") || strings.HasPrefix(s.Name, ".") {
		return fmt.Errorf("volume %q: not a plain file name", s.Name)
	}
	if s.SizeMB < 16 || s.SizeMB > 1<<20 {
		return fmt.Errorf("volume %s: size of %d MB is outside 16 MB..1 TB", s.Name, s.SizeMB)
	}
	return nil
}

// Volume is a disk to do damage to. It is safe for concurrent use.
type Volume struct {
	spec Spec
	site Site

	mu     sync.Mutex
	server *server // nil unless interposed and mounted
	root   *os.File
	cut    bool // power is off
	frozen bool
	told   Behaviour // by Behave; the disk's own, so it outlasts a power cut
}

// Make creates and mounts a volume. With an error nothing is left.
func Make(ctx context.Context, site Site, spec Spec) (*Volume, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	v := &Volume{spec: spec, site: site}
	err := site.do(func() error {
		if err := os.Mkdir(v.dir(), 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		if err := v.format(ctx); err != nil {
			return errors.Join(err, os.RemoveAll(v.dir()))
		}
		return nil
	})
	if err == nil {
		if err = v.mount(); err != nil {
			err = errors.Join(err, v.Remove())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("make volume %s: %w", spec.Name, err)
	}
	return v, nil
}

func (v *Volume) dir() string   { return filepath.Join(v.site.Dir, v.spec.Name) }
func (v *Volume) image() string { return filepath.Join(v.dir(), "image") }
func (v *Volume) store() string { return filepath.Join(v.dir(), "store") }

// Path is the folder to bind into a container, in the site's mount namespace.
// A container that is started again after a power cut must bind it again.
func (v *Volume) Path() string {
	if v.spec.Interpose {
		return filepath.Join(v.dir(), "data")
	}
	return filepath.Join(v.store(), "data")
}

// Spec is what the volume was made of.
func (v *Volume) Spec() Spec { return v.spec }

// format makes the file and its file system, without a reserve for root, so
// that full means full.
func (v *Volume) format(ctx context.Context) error {
	f, err := os.OpenFile(v.image(), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("make image: %w", err)
	}
	err = errors.Join(f.Truncate(v.spec.SizeMB<<20), f.Close())
	if err != nil {
		return fmt.Errorf("size image: %w", err)
	}
	mkfs := "mkfs.ext4"
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		if p := filepath.Join(dir, mkfs); unix.Access(p, unix.X_OK) == nil {
			mkfs = p
			break
		}
	}
	if !filepath.IsAbs(mkfs) {
		return errors.New("no mkfs.ext4 on this machine: install e2fsprogs")
	}
	out, err := exec.CommandContext(ctx, mkfs, "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", v.image()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// mount brings the volume into use.
func (v *Volume) mount() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.site.do(func() error {
		if err := os.MkdirAll(v.store(), 0o755); err != nil {
			return fmt.Errorf("make mount point: %w", err)
		}
		device, err := attach(v.image())
		if err != nil {
			return err
		}
		err = unix.Mount(device.Name(), v.store(), "ext4", unix.MS_NOATIME|unix.MS_NOSUID|unix.MS_NODEV, "")
		_ = device.Close() // the mount holds it from here on
		if err != nil {
			return fmt.Errorf("mount %s: %w", device.Name(), err)
		}
		data := filepath.Join(v.store(), "data")
		if err := os.Mkdir(data, 0o777); err == nil {
			// Whatever user a container runs as.
			if err := os.Chmod(data, 0o777); err != nil {
				return fmt.Errorf("open folder to all: %w", err)
			}
		} else if !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("make folder: %w", err)
		}
		if v.root, err = os.Open(v.store()); err != nil {
			return fmt.Errorf("open file system: %w", err)
		}
		if !v.spec.Interpose {
			return nil
		}
		if v.server, err = serve(v.root, v.Path(), "hadrill-"+v.spec.Name); err == nil {
			v.server.gate.set(v.told)
		}
		return err
	})
}

// unmount takes the volume out of use; whoever still has files open there keeps
// them until they are closed.
func (v *Volume) unmount() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.unmountLocked(false)
}

// unmountLocked with idle waits until nobody uses the file system and fails
// otherwise; without it, users keep what nobody else can see.
func (v *Volume) unmountLocked(idle bool) error {
	if v.frozen {
		if err := v.thawLocked(); err != nil {
			return err
		}
	}
	if v.server != nil {
		v.server.release() // a hung operation would keep the mount busy for ever
	}
	if v.root != nil {
		_ = v.root.Close()
		v.root = nil
	}
	err := v.site.do(func() error {
		if idle {
			return unmountIdle(v.dir())
		}
		return unmountAll(v.dir())
	})
	if v.server != nil {
		v.server.wait()
		v.server = nil
	}
	return err
}

// Remove unmounts and deletes the volume. Removing twice is fine.
func (v *Volume) Remove() error {
	err := v.unmount()
	if err == nil {
		err = v.site.do(func() error { return os.RemoveAll(v.dir()) })
	}
	if err != nil {
		return fmt.Errorf("remove volume %s: %w", v.spec.Name, err)
	}
	return nil
}

// Residue lists what is mounted below a site's folder and what loop devices
// have their file there.
func Residue(site Site) ([]string, error) {
	var found []string
	err := site.do(func() error {
		at, err := mounts(site.Dir)
		if err != nil {
			return err
		}
		for _, m := range at {
			found = append(found, "mount "+m)
		}
		loops, err := loopsOf(site.Dir)
		for _, l := range loops {
			found = append(found, "loop device "+l)
		}
		return err
	})
	return found, err
}

// Sweep removes every volume below a site's folder, whoever made it.
func Sweep(site Site) error {
	return site.do(func() error {
		if err := unmountAll(site.Dir); err != nil {
			return err
		}
		entries, err := os.ReadDir(site.Dir)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		for _, e := range entries {
			err = errors.Join(err, os.RemoveAll(filepath.Join(site.Dir, e.Name())))
		}
		return err
	})
}
