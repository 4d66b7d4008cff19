package impair

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Impairment is what happens to the packets of a link. The zero value does
// nothing. Shares are probabilities, 0..1. It is plain data: it travels to the
// agent as JSON and is understood by package netem as well.
type Impairment struct {
	// Delay is added to every packet.
	Delay time.Duration `json:"delay,omitempty"`
	// Jitter spreads the delay: half the width of a uniform distribution, the
	// standard deviation of a normal or Pareto one. A draw below zero is zero.
	Jitter       time.Duration `json:"jitter,omitempty"`
	Distribution Distribution  `json:"distribution,omitempty"`
	// InOrder keeps the order of packets in spite of jitter: a packet waits for
	// the one before it, as behind a router with one queue. Without it jitter
	// reorders, as netem does.
	InOrder bool `json:"in_order,omitempty"`
	// Loss is the share of packets dropped, each drawn on its own.
	Loss float64 `json:"loss,omitempty"`
	// Burst drops packets in bursts; it excludes Loss.
	Burst *Burst `json:"burst,omitempty"`
	// Duplicate is the share of packets delivered twice.
	Duplicate float64 `json:"duplicate,omitempty"`
	// Reorder is the share of packets that skip the delay and so overtake those
	// that wait. It needs a Delay.
	Reorder float64 `json:"reorder,omitempty"`
	// Corrupt is the share of packets in which one bit behind the IP header is
	// flipped. The receiver sees a wrong checksum, as on a wire.
	Corrupt float64 `json:"corrupt,omitempty"`
}

// Distribution names how jitter is spread around the delay.
type Distribution string

// The distributions. Empty means Normal.
const (
	Uniform Distribution = "uniform"
	Normal  Distribution = "normal"
	// Pareto has a long tail to the late side (shape 3), shifted and scaled to
	// the configured mean and standard deviation, as netem's table of the name.
	Pareto Distribution = "pareto"
)

// Burst is the four-parameter Gilbert-Elliott loss model: a link that is
// either good or bad and changes its state before each packet.
//
// Source: E. O. Elliott, "Estimates of error rates for codes on burst-noise
// channels", Bell System Technical Journal 42 (1963); parameters named after
// tc-netem(8) "loss gemodel p r 1-h 1-k".
type Burst struct {
	EnterBad float64 `json:"enter_bad"` // p: good to bad
	LeaveBad float64 `json:"leave_bad"` // r: bad to good; 1/r is the mean burst in packets
	LossBad  float64 `json:"loss_bad"`  // 1-h: loss while bad
	LossGood float64 `json:"loss_good"` // 1-k: loss while good
}

// Loss is the share of packets the model loses in the long run.
func (b Burst) Loss() float64 {
	if b.EnterBad+b.LeaveBad == 0 {
		return b.LossGood // starts good and stays so
	}
	bad := b.EnterBad / (b.EnterBad + b.LeaveBad)
	return bad*b.LossBad + (1-bad)*b.LossGood
}

// MaxDelay bounds a delay and its jitter: longer than that and it is a
// partition, and the kernel's queue of held packets grows without use.
const MaxDelay = 30 * time.Second

// Validate reports the first parameter that makes no sense.
func (im Impairment) Validate() error {
	for _, s := range []struct {
		name  string
		value float64
	}{{"loss", im.Loss}, {"duplicate", im.Duplicate}, {"reorder", im.Reorder}, {"corrupt", im.Corrupt}} {
		if err := share(s.name, s.value); err != nil {
			return err
		}
	}
	switch {
	case im.Delay < 0 || im.Delay > MaxDelay:
		return fmt.Errorf("impairment: delay %v is outside 0..%v", im.Delay, MaxDelay)
	case im.Jitter < 0 || im.Jitter > MaxDelay:
		return fmt.Errorf("impairment: jitter %v is outside 0..%v", im.Jitter, MaxDelay)
	case im.Reorder > 0 && im.Delay == 0:
		return fmt.Errorf("impairment: reorder %v needs a delay for others to wait", im.Reorder)
	case im.Reorder > 0 && im.InOrder:
		return fmt.Errorf("impairment: reorder and in_order exclude each other")
	case im.Loss > 0 && im.Burst != nil:
		return fmt.Errorf("impairment: loss and burst exclude each other")
	}
	switch im.Distribution {
	case "", Uniform, Normal, Pareto:
	default:
		return fmt.Errorf("impairment: unknown distribution %q (uniform, normal, pareto)", im.Distribution)
	}
	if b := im.Burst; b != nil {
		for _, s := range []struct {
			name  string
			value float64
		}{{"burst enter_bad", b.EnterBad}, {"burst leave_bad", b.LeaveBad}, {"burst loss_bad", b.LossBad}, {"burst loss_good", b.LossGood}} {
			if err := share(s.name, s.value); err != nil {
				return err
			}
		}
		if b.Loss() == 0 {
			return fmt.Errorf("impairment: this burst never loses a packet: %+v", *b)
		}
	}
	return nil
}

func share(name string, v float64) error {
	if math.IsNaN(v) || v < 0 || v > 1 {
		return fmt.Errorf("impairment: %s %v is outside 0..1", name, v)
	}
	return nil
}

// IsZero says whether the impairment does nothing at all.
func (im Impairment) IsZero() bool {
	im.Distribution, im.InOrder = "", false
	return im == Impairment{}
}

// perPacket says whether fates must be drawn for each packet as on a wire
// instead of for each super-packet.
func (im Impairment) perPacket() bool {
	return im.Loss > 0 || im.Burst != nil || im.Duplicate > 0 || im.Corrupt > 0 || im.Reorder > 0
}

// payload says whether the packets' bytes are needed in user space.
func (im Impairment) payload() bool { return im.Duplicate > 0 || im.Corrupt > 0 }

// String is the canonical text used in plans and records.
func (im Impairment) String() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if im.Delay > 0 {
		add("delay=%v", im.Delay)
	}
	if im.Jitter > 0 {
		d := im.Distribution
		if d == "" {
			d = Normal
		}
		add("jitter=%v distribution=%s", im.Jitter, d)
	}
	if im.InOrder {
		add("in_order")
	}
	for _, s := range []struct {
		name  string
		value float64
	}{{"loss", im.Loss}, {"duplicate", im.Duplicate}, {"reorder", im.Reorder}, {"corrupt", im.Corrupt}} {
		if s.value > 0 {
			add("%s=%.4g%%", s.name, 100*s.value)
		}
	}
	if b := im.Burst; b != nil {
		add("burst=%.4g/%.4g/%.4g/%.4g", b.EnterBad, b.LeaveBad, b.LossBad, b.LossGood)
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, " ")
}
