package disk

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a file or folder; every operation passes the gate.
type node struct {
	*fs.LoopbackNode
	gate *gate
}

var (
	_ fs.NodeWrapChilder     = (*node)(nil)
	_ fs.NodeOpener          = (*node)(nil)
	_ fs.NodeCreater         = (*node)(nil)
	_ fs.NodeOpendirHandler  = (*node)(nil)
	_ fs.NodeSetattrer       = (*node)(nil)
	_ fs.NodeMkdirer         = (*node)(nil)
	_ fs.NodeUnlinker        = (*node)(nil)
	_ fs.NodeRmdirer         = (*node)(nil)
	_ fs.NodeRenamer         = (*node)(nil)
	_ fs.NodeLinker          = (*node)(nil)
	_ fs.FileReader          = (*file)(nil)
	_ fs.FileWriter          = (*file)(nil)
	_ fs.FileFsyncer         = (*file)(nil)
	_ fs.FileAllocater       = (*file)(nil)
	_ fs.FilePassthroughFder = (*file)(nil)
)

// newRoot serves a folder given by an open file descriptor's path.
func newRoot(path string, g *gate) (fs.InodeEmbedder, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return nil, err
	}
	root := &fs.LoopbackRoot{Path: path, Dev: st.Dev}
	n := &node{LoopbackNode: &fs.LoopbackNode{RootData: root}, gate: g}
	root.RootNode = n
	return n, nil
}

// WrapChild makes the library's node of every file and folder one of ours.
func (n *node) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	if child, ok := ops.(*fs.LoopbackNode); ok {
		return &node{LoopbackNode: child, gate: n.gate}
	}
	return ops
}

func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h, f, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return n.wrap(h), f, 0
}

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno, skip := n.gate.pass(ctx, Write); skip {
		return nil, nil, 0, errno
	}
	i, h, f, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return i, n.wrap(h), f, 0
}

func (n *node) wrap(h fs.FileHandle) fs.FileHandle {
	if lf, ok := h.(*fs.LoopbackFile); ok {
		return &file{LoopbackFile: lf, gate: n.gate}
	}
	return h
}

// OpendirHandle opens a folder for listing and for syncing, which is what makes
// a new name durable.
func (n *node) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h, f, errno := n.LoopbackNode.OpendirHandle(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	if open, ok := h.(openFolder); ok {
		h = &folder{openFolder: open, gate: n.gate}
	}
	return h, f, 0
}

// openFolder is what the library's handle of a folder can do.
type openFolder interface {
	fs.FileReaddirenter
	fs.FileSeekdirer
	fs.FileReleasedirer
	fs.FileFsyncdirer
}

// folder is an open folder; its sync passes the gate.
type folder struct {
	openFolder
	gate *gate
}

func (f *folder) Fsyncdir(ctx context.Context, flags uint32) syscall.Errno {
	if errno, skip := f.gate.pass(ctx, Sync); skip {
		return errno
	}
	return f.openFolder.Fsyncdir(ctx, flags)
}

func (n *node) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if errno, skip := n.gate.pass(ctx, Write); skip {
		return errno
	}
	return n.LoopbackNode.Setattr(ctx, h, in, out)
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno, skip := n.gate.pass(ctx, Write); skip {
		return nil, errno
	}
	return n.LoopbackNode.Mkdir(ctx, name, mode, out)
}

func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	if errno, skip := n.gate.pass(ctx, Write); skip {
		return errno
	}
	return n.LoopbackNode.Unlink(ctx, name)
}

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	if errno, skip := n.gate.pass(ctx, Write); skip {
		return errno
	}
	return n.LoopbackNode.Rmdir(ctx, name)
}

func (n *node) Rename(ctx context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if errno, skip := n.gate.pass(ctx, Write); skip {
		return errno
	}
	return n.LoopbackNode.Rename(ctx, name, to, newName, flags)
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno, skip := n.gate.pass(ctx, Write); skip {
		return nil, errno
	}
	return n.LoopbackNode.Link(ctx, target, name, out)
}

// file is an open file; every operation passes the gate.
type file struct {
	*fs.LoopbackFile
	gate *gate
}

// PassthroughFd keeps the kernel from going past us.
func (f *file) PassthroughFd() (int, bool) { return 0, false }

func (f *file) Read(ctx context.Context, buf []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if errno, skip := f.gate.pass(ctx, Read); skip {
		return nil, errno
	}
	return f.LoopbackFile.Read(ctx, buf, off)
}

func (f *file) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	if errno, skip := f.gate.pass(ctx, Write); skip {
		return 0, errno
	}
	return f.LoopbackFile.Write(ctx, data, off)
}

// Writev is what the library calls in place of Write where it can.
func (f *file) Writev(ctx context.Context, data [][]byte, off int64) (uint32, syscall.Errno) {
	if errno, skip := f.gate.pass(ctx, Write); skip {
		return 0, errno
	}
	return f.LoopbackFile.Writev(ctx, data, off)
}

func (f *file) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	if errno, skip := f.gate.pass(ctx, Sync); skip {
		return errno
	}
	return f.LoopbackFile.Fsync(ctx, flags)
}

func (f *file) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	if errno, skip := f.gate.pass(ctx, Write); skip {
		return errno
	}
	return f.LoopbackFile.Allocate(ctx, off, size, mode)
}
