package clock

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
)

// Skew is how the shown time differs from the true one, from its injection on.
// The zero value shows the true time.
type Skew struct {
	// Jump moves the clock, either way.
	Jump time.Duration `json:"jump,omitempty"`
	// DriftPPM makes it run fast (positive) or slow, in millionths.
	DriftPPM float64 `json:"drift_ppm,omitempty"`
	// Freeze stops it; it excludes DriftPPM.
	Freeze bool `json:"freeze,omitempty"`
	// Strobe applies Jump in every other slice of this length only, beginning
	// with the first: a clock that somebody keeps correcting.
	Strobe time.Duration `json:"strobe,omitempty"`
}

// MaxJump bounds a jump: beyond it programs fail for reasons of arithmetic.
const MaxJump = 50 * 365 * 24 * time.Hour

// Validate reports a skew that makes no sense.
func (s Skew) Validate() error {
	switch {
	case s.Jump > MaxJump || s.Jump < -MaxJump:
		return fmt.Errorf("clock: jump %v is beyond %v", s.Jump, MaxJump)
	case math.IsNaN(s.DriftPPM) || math.Abs(s.DriftPPM) > 1e8:
		return fmt.Errorf("clock: drift of %v ppm is beyond a hundredfold", s.DriftPPM)
	case s.Freeze && s.DriftPPM != 0:
		return fmt.Errorf("clock: a frozen clock cannot drift")
	case s.Strobe < 0:
		return fmt.Errorf("clock: negative strobe %v", s.Strobe)
	case s.Strobe > 0 && s.Jump == 0:
		return fmt.Errorf("clock: strobe needs a jump")
	case s.Strobe > 0 && s.Strobe < time.Millisecond:
		return fmt.Errorf("clock: strobe %v is shorter than 1ms", s.Strobe)
	}
	return nil
}

// String is the canonical text used in plans and records.
func (s Skew) String() string {
	var parts []string
	if s.Jump != 0 {
		parts = append(parts, fmt.Sprintf("jump=%v", s.Jump))
	}
	if s.Strobe != 0 {
		parts = append(parts, fmt.Sprintf("strobe=%v", s.Strobe))
	}
	if s.DriftPPM != 0 {
		parts = append(parts, fmt.Sprintf("drift=%gppm", s.DriftPPM))
	}
	if s.Freeze {
		parts = append(parts, "freeze")
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, " ")
}

// Shown is what a process with this skew, injected at ref, is shown at the
// true time t. The machine code computes the same.
func (s Skew) Shown(ref, t time.Time) time.Time {
	d := t.Sub(ref)
	shown := ref.Add(d + time.Duration(float64(d)*s.DriftPPM/1e6))
	if s.Freeze {
		shown = ref
	}
	if s.Strobe == 0 || d/s.Strobe%2 == 0 {
		shown = shown.Add(s.Jump)
	}
	return shown
}

// encode is the parameter block that the machine code reads.
func (s Skew) encode(ref time.Time) []byte {
	rate := int64(1e9) + int64(math.Round(s.DriftPPM*1e3))
	if s.Freeze {
		rate = 0
	}
	var b []byte
	for _, v := range []int64{ref.UnixNano(), rate, int64(s.Jump), int64(s.Strobe)} {
		b = binary.NativeEndian.AppendUint64(b, uint64(v))
	}
	return b
}
