// Package disk makes volumes whose disk can be filled, slowed, hung, made to
// fail or to lie, and whose power can be cut.
//
//	container          the run's own folder on the machine
//	/var/lib/x ─bind─▶ NAME/data ── FUSE, our own server ── slow, hang, errors,
//	                      │          (interposed only)      lying fsync
//	                      ▼
//	                   NAME/store ─ ext4 ─ loop device ─ NAME/image, a file
//	                      │            ▲
//	                   data/, ballast  └── power cut: the file system is shut
//	                                       down and forgets what was not synced
//
// A plain volume is the ext4 alone and costs nothing; power cuts, full disks
// and frozen file systems work there. An interposed one passes each operation
// through this process, at roughly half the speed of small synchronous writes,
// and does everything.
//
// Nothing here ever touches a file system that it did not make: a shutdown or a
// freeze is refused unless the device is a loop device of ours.
//
// A [Site] is the folder and the way into its mount namespace. A process in a
// container makes mounts in the engine's namespace through the site's Enter;
// its file descriptors work across namespaces, which is how the server reads
// and writes what it cannot see.
package disk
