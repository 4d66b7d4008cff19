package mysql

import "github.com/hadrill/hadrill/harness"

// Disk says what a server's data lie on. Closed.
type Disk string

// The kinds of disks.
const (
	NoDisk    Disk = ""      // the container's own file system, which no fault can be done to
	PlainDisk Disk = "plain" // a disk to be filled or to lose its power
	// InterposedDisk passes every operation through a server that can be told
	// to be slow, to fail, or to lie.
	InterposedDisk Disk = "interposed"
)

const (
	diskPath = "/data"
	// diskMB has room for a data directory (110 MB at first), its replacement
	// by a clone, and the binary log of a drill.
	diskMB = 384
)

func (d Disk) known() bool { return d == NoDisk || d == PlainDisk || d == InterposedDisk }

func (d Disk) volumes() []harness.Disk {
	if d == NoDisk {
		return nil
	}
	return []harness.Disk{{Path: diskPath, SizeMB: diskMB, Interposed: d == InterposedDisk}}
}

// configure says how InnoDB is to write to such a disk. One in between hands
// buffers on that are not aligned as direct writes (O_DIRECT) have to be.
func (d Disk) configure(l *lines) {
	if d == InterposedDisk {
		l.add("innodb_flush_method=fsync")
	}
}

// disk is what server i's data lie on.
func (s SemiSync) disk(i int) Disk {
	if i > 0 {
		return NoDisk
	}
	return s.Disk
}
