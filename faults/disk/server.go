package disk

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// server is the FUSE server of one interposed volume.
type server struct {
	gate  *gate
	ended chan struct{}
}

// serve mounts the interposed folder and answers for it in the background. It
// runs inside the site's mount namespace; the server's own goroutines do not,
// and reach the files through the descriptor of store.
func serve(store *os.File, at, name string) (*server, error) {
	if err := os.MkdirAll(at, 0o755); err != nil {
		return nil, fmt.Errorf("make mount point: %w", err)
	}
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/fuse (device 10:229): %w", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other,max_read=131072", device)
	if err := unix.Mount(name, at, "fuse."+"hadrill", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		_ = unix.Close(device)
		return nil, fmt.Errorf("mount %s: %w", at, err)
	}
	s := &server{gate: newGate(), ended: make(chan struct{})}
	root, err := newRoot(fmt.Sprintf("/proc/self/fd/%d/data", store.Fd()), s.gate)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open folder: %w", err), unix.Unmount(at, unix.MNT_DETACH), unix.Close(device))
	}
	// Attributes may be remembered: nobody else changes the folder.
	remember := time.Second
	raw := fs.NewNodeFS(root, &fs.Options{EntryTimeout: &remember, AttrTimeout: &remember, NullPermissions: true})
	fuseServer, err := fuse.NewServer(raw, fmt.Sprintf("/dev/fd/%d", device), &fuse.MountOptions{
		Name: "hadrill", FsName: name, MaxWrite: 1 << 20,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start server: %w", err), unix.Unmount(at, unix.MNT_DETACH), unix.Close(device))
	}
	go func() {
		defer close(s.ended)
		fuseServer.Serve() // until the last mount of it is gone
	}()
	return s, nil
}

// release lets go of everything that hangs.
func (s *server) release() { s.gate.set(Behaviour{}) }

// wait returns when the server has ended. Processes that still have files open
// keep it alive; it is then left to end with them, which is their remover's
// business and must not wait for us.
func (s *server) wait() {
	select {
	case <-s.ended:
	case <-time.After(endLimit):
	}
}

const endLimit = 200 * time.Millisecond
