package faults

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hadrill/hadrill/faults/clock"
	"github.com/hadrill/hadrill/faults/impair"
)

var (
	_ = written("delay", "LINK TIME", impairs("delay", "delay"))
	_ = written("jitter", "LINK MEAN SPREAD [distribution=uniform|normal|pareto]", impairs("jitter", "delay", "jitter"))
	_ = written("duplicate", "LINK SHARE%", impairs("duplicate", "duplicate"))
	_ = written("corrupt", "LINK SHARE%", impairs("corrupt", "corrupt"))
	_ = written("reorder", "LINK SHARE% DELAY", impairs("reorder", "reorder", "delay"))
	_ = written("burst-loss", "LINK ENTER/LEAVE/BAD/GOOD", impairs("burst-loss", "burst"))
	_ = written("impair", "LINK {delay=TIME|jitter=TIME|distribution=NAME|in_order|loss=SHARE%|duplicate=SHARE%|reorder=SHARE%|corrupt=SHARE%|burst=ENTER/LEAVE/BAD/GOOD}", impairs("impair"))
)

// impairs is the syntax of an impairment of a link: settings by key, or by
// position for those that the fault is about.
func impairs(name string, positions ...string) func(*parser) Fault {
	return func(p *parser) Fault {
		l := p.link()
		at := p.here()
		var im impair.Impairment
		for _, key := range positions {
			p.setting(key, impairmentKeys[key], &im)
		}
		for p.peek("") != "" {
			p.setting("", nil, &im)
		}
		if p.err != nil {
			return nil
		}
		if im.IsZero() {
			p.fail(at, "what is impaired: "+strings.Join(slices.Sorted(maps.Keys(impairmentKeys)), ", "), slices.Sorted(maps.Keys(impairmentKeys))...)
		} else if err := im.Validate(); err != nil {
			p.fail(at, "an impairment that can be ("+strings.TrimPrefix(err.Error(), "impairment: ")+")")
		}
		return impaired{name, l, im}
	}
}

// setter puts a value into an impairment; it returns what was expected where
// the value is none, "" where it is fine.
type setter func(value string, im *impair.Impairment) (expected string)

// impairmentKeys are the settings, as Impairment.String prints them.
var impairmentKeys = map[string]setter{
	"delay":  func(v string, im *impair.Impairment) string { return parseDelay(v, &im.Delay) },
	"jitter": func(v string, im *impair.Impairment) string { return parseJitter(v, im) },
	"distribution": func(v string, im *impair.Impairment) string {
		im.Distribution = impair.Distribution(v)
		if im.Jitter == 0 || !slices.Contains([]impair.Distribution{impair.Uniform, impair.Normal, impair.Pareto}, im.Distribution) {
			return "uniform, normal or pareto, after a jitter"
		}
		return ""
	},
	"in_order": func(v string, im *impair.Impairment) string {
		im.InOrder = true
		if v != "" {
			return "in_order without a value"
		}
		return ""
	},
	"loss":      func(v string, im *impair.Impairment) string { return parsePercent(v, &im.Loss) },
	"duplicate": func(v string, im *impair.Impairment) string { return parsePercent(v, &im.Duplicate) },
	"reorder":   func(v string, im *impair.Impairment) string { return parsePercent(v, &im.Reorder) },
	"corrupt":   func(v string, im *impair.Impairment) string { return parsePercent(v, &im.Corrupt) },
	"burst":     parseBurst,
}

// setting reads one setting: "key=value", or a bare value for the key given.
func (p *parser) setting(key string, set setter, im *impair.Impairment) {
	at := p.here()
	value := p.word("")
	if k, v, keyed := strings.Cut(value, "="); keyed || impairmentKeys[value] != nil {
		key, value, set = k, v, impairmentKeys[k]
	}
	if set == nil {
		known := slices.Sorted(maps.Keys(impairmentKeys))
		p.fail(at, "a setting of the link: "+strings.Join(known, ", "), known...)
		return
	}
	if expected := set(value, im); expected != "" {
		p.fail(at, key+": "+expected)
	}
}

func parseDelay(v string, into *time.Duration) string {
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 || d > impair.MaxDelay {
		return "a time such as 20ms, at most " + impair.MaxDelay.String()
	}
	*into = d
	return ""
}

func parseJitter(v string, im *impair.Impairment) string {
	im.Distribution = impair.Normal
	return parseDelay(v, &im.Jitter)
}

// parsePercent reads "5%". More digits than plans print would be read back as
// another share, so they are refused.
func parsePercent(v string, into *float64) string {
	const expected = "a share such as 5%, up to 100%, with at most 4 digits"
	digits, ok := strings.CutSuffix(v, "%")
	n, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(n >= 1e-6 && n <= 100) || !fourDigits(n) {
		return expected
	}
	*into = n / 100
	return ""
}

// fourDigits tells whether four digits say a number exactly.
func fourDigits(n float64) bool {
	back, err := strconv.ParseFloat(strconv.FormatFloat(n, 'g', 4, 64), 64)
	return err == nil && math.Abs(back-n) <= 1e-12*math.Abs(n)
}

func parseBurst(v string, im *impair.Impairment) string {
	const expected = "four shares of 1, such as 0.01/0.3/1/0, with at most 4 digits each"
	var b impair.Burst
	parts := strings.Split(v, "/")
	into := []*float64{&b.EnterBad, &b.LeaveBad, &b.LossBad, &b.LossGood}
	if len(parts) != len(into) {
		return expected
	}
	for i, part := range parts {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || n != 0 && !(n >= 1e-6 && n <= 1) || !fourDigits(n) {
			return expected
		}
		*into[i] = n
	}
	im.Burst = &b
	return ""
}

var (
	_ = written("clock-jump", "NODES TIME", skews("clock-jump", clock.Skew{}, "jump"))
	_ = written("clock-strobe", "NODES TIME SLICE", skews("clock-strobe", clock.Skew{}, "jump", "strobe"))
	_ = written("clock-drift", "NODES RATEppm", skews("clock-drift", clock.Skew{}, "drift"))
	_ = written("clock-freeze", "NODES", func(p *parser) Fault {
		aim := p.nodes()
		p.keyword("freeze")
		return ClockFreeze(aim)
	})
)

// skews is the syntax of a fault of the clock: its settings in their order,
// each bare or by key.
func skews(name string, skew clock.Skew, keys ...string) func(*parser) Fault {
	return func(p *parser) Fault {
		aim := p.nodes()
		skew := skew
		for _, key := range keys {
			p.skewSetting(key, &skew)
		}
		return skewed{name, aim, skew}
	}
}

func (p *parser) skewSetting(key string, skew *clock.Skew) {
	value, at, keyed := p.option(key)
	if !keyed {
		value = p.word("")
	}
	expected, d := "", time.Duration(0)
	var err error
	switch key {
	case "drift":
		digits, ok := strings.CutSuffix(value, "ppm")
		skew.DriftPPM, err = strconv.ParseFloat(digits, 64)
		if err != nil || !ok || skew.DriftPPM == 0 {
			expected = "a rate such as 200ppm or -5000ppm"
		}
	case "jump":
		if skew.Jump, err = time.ParseDuration(value); err != nil || skew.Jump == 0 {
			expected = "a time either way, such as 5s or -5s"
		}
	default: // strobe
		if d, err = time.ParseDuration(value); err != nil || d < time.Millisecond {
			expected = "the length of a slice, at least 1ms"
		}
		skew.Strobe = d
	}
	if expected == "" {
		if err = skew.Validate(); err != nil {
			expected = "a skew that can be (" + strings.TrimPrefix(err.Error(), "clock: ") + ")"
		}
	}
	if expected != "" {
		p.fail(at, key+": "+expected)
	}
}
