package runner

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// Profile says when a scenario runs.
type Profile string

// The profiles: each includes the one before it.
const (
	Quick   Profile = "quick"   // every pull request
	Nightly Profile = "nightly" // everything, with repetitions
	Soak    Profile = "soak"    // hours
)

// Weight is how much of a two-core machine a run takes while it starts and runs.
type Weight int

// The weights. Two medium drills, or four light ones, run side by side where
// the user allows two; an exclusive one runs alone, because it measures the
// instrument itself.
const (
	Medium Weight = iota
	Light
	Exclusive
)

var profiles = []Profile{Quick, Nightly, Soak}

// Includes tells whether a run of profile p runs scenarios of profile q.
func (p Profile) Includes(q Profile) bool {
	return slices.Index(profiles, q) <= slices.Index(profiles, p)
}

// ParseProfile returns the named profile.
func ParseProfile(s string) (Profile, error) {
	if p := Profile(s); slices.Contains(profiles, p) {
		return p, nil
	}
	return "", fmt.Errorf("profile %q: is none of %v", s, profiles)
}

// Scenario is a claim: this system, under this load and these faults, keeps
// these promises. A known-bad twin is the safe scenario with one setting
// changed, and the objectives that it must fail on.
type Scenario struct {
	Name    string // "cache/redis-sentinel/primary-kill"
	Row     string // "cache/redis-sentinel": the part of a highly available system it verifies
	Doc     string // what it shows, one or two sentences
	Profile Profile
	System  harness.System
	Load    load.Load
	// Clients are client zones: networks of their own that load comes from.
	Clients  []string
	Faults   faults.Schedule
	Duration time.Duration // of the load
	SLO      record.SLO
	Promises Promises
	TwinOf   string   // name of the safe scenario; "" for a safe one
	Expect   []string // objectives the twin must fail on
	// Resolution is the shortest time this scenario claims anything about;
	// the control lane must be quieter than it. Default 100 ms.
	Resolution  time.Duration
	Criticality float64 // weight in the suite's score; default 1
	// Weight is how much of the machine a run takes, for running drills side
	// by side. Default Medium.
	Weight Weight
	// KnownOutages are the exact outages of a calibration's faults, in order.
	KnownOutages []time.Duration
	// Surge says when the load is more than the system can do, and how much
	// that is; nil: never.
	Surge *record.Surge

	adHoc string // name of the scenario whose faults were replaced; see AdHoc
}

// FailsOn declares the objectives that a known-bad twin must fail on.
func FailsOn(objectives ...string) []string { return objectives }

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)+$`)

// Validate reports everything that is wrong with the declaration.
func (s Scenario) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !namePattern.MatchString(s.Name) {
		bad("name %q: wants lower-case parts joined by '/', such as cache/redis-sentinel/primary-kill", s.Name)
	}
	if s.Row == "" || !strings.HasPrefix(s.Name, s.Row+"/") && s.Name != s.Row {
		bad("row %q: the name must begin with it", s.Row)
	}
	if !slices.Contains(profiles, s.Profile) {
		bad("profile %q: is none of %v", s.Profile, profiles)
	}
	if s.System == nil {
		bad("no system")
	}
	if s.Load == nil {
		bad("no load")
	}
	if s.Duration <= 0 || s.Duration > time.Hour {
		bad("duration %v: wants 0 < duration <= 1h, so that every load loop is bounded", s.Duration)
	}
	if err := s.Faults.Validate(s.Duration); err != nil {
		errs = append(errs, err)
	}
	if len(s.Promises) == 0 {
		bad("no promises: a run without objectives cannot be judged")
	}
	if s.SLO.Latency <= 0 {
		bad("SLO latency %v: wants more than 0, else no operation can be good", s.SLO.Latency)
	}
	if u := s.Surge; u != nil && (u.From < 0 || u.To <= u.From || u.To > s.Duration || u.Capacity <= 0) {
		bad("surge %+v: wants 0 <= from < to <= duration, and a capacity", *u)
	}
	if (s.TwinOf == "") != (len(s.Expect) == 0) {
		bad("a twin names both the safe scenario and the objectives it must fail on; this has twin_of %q, expect %v", s.TwinOf, s.Expect)
	}
	for _, want := range s.Expect {
		if !slices.ContainsFunc(s.Promises, func(o record.Objective) bool { return o.Name == want }) {
			bad("expect %q: the scenario has no such objective", want)
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("scenario %s: %w", s.Name, errors.Join(errs...))
	}
	return nil
}

// Declaration returns the scenario as data, with the defaults filled in.
func (s Scenario) Declaration() record.Scenario {
	d := record.Scenario{
		Name: s.Name, Row: s.Row, Doc: s.Doc, Profile: string(s.Profile),
		TwinOf: s.TwinOf, Expect: s.Expect,
		System: s.System.Name(), Config: fmt.Sprintf("%+v; %s", s.System, s.Load.Describe()),
		Duration: s.Duration, SLO: s.SLO, Objectives: s.Promises,
		Resolution: s.Resolution, Critical: s.Criticality, KnownOutages: s.KnownOutages, Surge: s.Surge, Faults: declared(s.Faults),
	}
	if d.SLO.Success == 0 {
		d.SLO.Success = 0.99
	}
	if d.SLO.Slice == 0 {
		d.SLO.Slice = 100 * time.Millisecond
	}
	if d.SLO.Stable == 0 {
		d.SLO.Stable = 5 * time.Second
	}
	if d.Resolution == 0 {
		d.Resolution = 100 * time.Millisecond
	}
	if d.Critical == 0 {
		d.Critical = 1
	}
	return d
}

// What a drill costs beside its load, on two cores with warm images; only
// used to plan ahead, never to judge.
const (
	typicalStart = 8 * time.Second
	typicalStop  = 5 * time.Second
)

// Estimate is about how long a run of s takes, for plans and deadlines.
func Estimate(s Scenario) time.Duration { return typicalStart + s.Duration + typicalStop }
