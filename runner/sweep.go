package runner

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Sweep prices a knob: the same system, load and faults over a range of one
// setting, so that what is bought with it (a shorter outage, no loss) stands
// beside what it costs (latency, false alarms).
//
//	setting    200ms   500ms    1s     2s
//	rto        1.4 s   1.7 s   2.2 s  3.2 s    the same schedule, n times each
//
// It is plain data, declared next to the scenario that it varies.
type Sweep struct {
	Scenario string  // name of the scenario that is varied
	Setting  string  // what is turned, in the system's own words: "down-after-milliseconds"
	Unit     string  // "s" when the points' values are seconds; "" when they are names only
	Doc      string  // what there is to learn, one or two sentences
	Points   []Point // at least two, in order of their values
}

// Point is one place of the knob.
type Point struct {
	Label    string  // how the system's documentation writes it: "500ms", "acks=1"
	Value    float64 // in the sweep's unit; not read when that is ""
	Scenario Scenario
}

// SweepOver declares a sweep of durations: turn sets the knob of a copy of the
// base scenario. What the scenario promises may depend on the setting, so turn
// may change that as well; a point's name is the base's and its label.
func SweepOver(base Scenario, setting, doc string, values []time.Duration, turn func(*Scenario, time.Duration)) Sweep {
	w := Sweep{Scenario: base.Name, Setting: setting, Unit: "s", Doc: doc}
	for _, v := range values {
		w.Points = append(w.Points, pointOf(base, v.String(), v.Seconds(), func(s *Scenario) { turn(s, v) }))
	}
	return w
}

// Choice is a place of a knob that has names instead of numbers.
type Choice struct {
	Label string
	Turn  func(*Scenario) // sets the knob
}

// SweepOf declares a sweep of named choices.
func SweepOf(base Scenario, setting, doc string, choices ...Choice) Sweep {
	w := Sweep{Scenario: base.Name, Setting: setting, Doc: doc}
	for i, c := range choices {
		w.Points = append(w.Points, pointOf(base, c.Label, float64(i), c.Turn))
	}
	return w
}

func pointOf(base Scenario, label string, value float64, turn func(*Scenario)) Point {
	s := base
	s.Name = base.Name + "/" + slug(label)
	s.Promises = slices.Clone(base.Promises)
	turn(&s)
	return Point{Label: label, Value: value, Scenario: s}
}

// slug makes a label part of a scenario's name: "acks=1" is "acks-1".
func slug(label string) string {
	b := []byte(label)
	for i, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			b[i] = c + 'a' - 'A'
		case (c < 'a' || c > 'z') && (c < '0' || c > '9'):
			b[i] = '-'
		}
	}
	return string(b)
}

// Validate reports everything that is wrong with the declaration.
func (w Sweep) Validate() error {
	var errs []error
	if w.Setting == "" || w.Doc == "" {
		errs = append(errs, errors.New("wants a setting and a doc"))
	}
	if w.Unit != "" && w.Unit != "s" {
		errs = append(errs, fmt.Errorf("unit %q: wants s, or none for named choices", w.Unit))
	}
	if len(w.Points) < 2 {
		errs = append(errs, fmt.Errorf("%d points: a comparison wants two at least", len(w.Points)))
	}
	configs := map[string]string{}
	for i, p := range w.Points {
		if err := p.Scenario.Validate(); err != nil {
			errs = append(errs, err)
			continue
		}
		if i > 0 && w.Unit != "" && p.Value <= w.Points[i-1].Value {
			errs = append(errs, fmt.Errorf("point %s: values want to be in rising order", p.Label))
		}
		config := p.Scenario.Declaration().Config
		if other, taken := configs[config]; taken {
			errs = append(errs, fmt.Errorf("points %s and %s are the same configuration", other, p.Label))
		}
		configs[config] = p.Label
	}
	if len(errs) > 0 {
		return fmt.Errorf("sweep %s over %s: %w", w.Scenario, w.Setting, errors.Join(errs...))
	}
	return nil
}
