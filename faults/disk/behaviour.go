package disk

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Op is a kind of operation on a volume. Closed.
type Op string

// The kinds of operation.
const (
	Read  Op = "read"
	Write Op = "write" // and everything that changes names, sizes and attributes
	Sync  Op = "sync"  // fsync, fdatasync
)

// Behaviour is how an interposed volume treats operations; the zero value is a
// healthy disk.
type Behaviour struct {
	// Latency is added to every operation of the kinds in On.
	Latency time.Duration `json:"latency,omitempty"`
	// Hang makes operations of the kinds in On wait until the behaviour changes.
	Hang bool `json:"hang,omitempty"`
	// Error is given to operations of the kinds in On: "EIO", "ENOSPC", "EROFS".
	Error string `json:"error,omitempty"`
	// Share of the operations that get the error; 0 means all.
	Share float64 `json:"share,omitempty"`
	// LyingSync answers a sync without doing it.
	LyingSync bool `json:"lying_sync,omitempty"`
	// On narrows Latency, Hang and Error to kinds of operation; empty: all.
	On []Op `json:"on,omitempty"`
}

var errnos = map[string]syscall.Errno{"EIO": unix.EIO, "ENOSPC": unix.ENOSPC, "EROFS": unix.EROFS, "EDQUOT": unix.EDQUOT}

// Validate reports a behaviour that makes no sense.
func (b Behaviour) Validate() error {
	if _, ok := errnos[b.Error]; !ok && b.Error != "" {
		return fmt.Errorf("disk: unknown error %q (EIO, ENOSPC, EROFS, EDQUOT)", b.Error)
	}
	if b.Latency < 0 || b.Latency > time.Minute {
		return fmt.Errorf("disk: latency %v is outside 0..1m", b.Latency)
	}
	if math.IsNaN(b.Share) || b.Share < 0 || b.Share > 1 {
		return fmt.Errorf("disk: share %v is outside 0..1", b.Share)
	}
	if b.Share > 0 && b.Error == "" {
		return fmt.Errorf("disk: a share of what error?")
	}
	for _, o := range b.On {
		if o != Read && o != Write && o != Sync {
			return fmt.Errorf("disk: unknown operation %q (read, write, sync)", o)
		}
	}
	return nil
}

// IsZero says whether this is a healthy disk.
func (b Behaviour) IsZero() bool {
	return b.Latency == 0 && !b.Hang && b.Error == "" && !b.LyingSync
}

func (b Behaviour) concerns(o Op) bool { return len(b.On) == 0 || slices.Contains(b.On, o) }

// String is the canonical text used in plans and records.
func (b Behaviour) String() string {
	var parts []string
	if b.Latency > 0 {
		parts = append(parts, "latency="+b.Latency.String())
	}
	if b.Hang {
		parts = append(parts, "hang")
	}
	if b.Error != "" {
		s := "error=" + b.Error
		if b.Share > 0 {
			s += fmt.Sprintf(" share=%.4g%%", 100*b.Share)
		}
		parts = append(parts, s)
	}
	if b.LyingSync {
		parts = append(parts, "lying-sync")
	}
	if len(b.On) > 0 {
		on := make([]string, len(b.On))
		for i, o := range b.On {
			on[i] = string(o)
		}
		parts = append(parts, "on="+strings.Join(on, ","))
	}
	if len(parts) == 0 {
		return "healthy"
	}
	return strings.Join(parts, " ")
}
