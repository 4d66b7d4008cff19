package reports

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/hadrill/hadrill/runner/record"
)

// The JUnit format as Jenkins, GitLab and GitHub readers understand it:
// a failure is a broken promise, an error is everything else that is not a
// pass (inconclusive, vacuous, a failed toolkit): none of them is skipped,
// because CI systems count a skipped test as good.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	XMLName    xml.Name        `xml:"testsuite"`
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr,omitempty"`
	Properties []junitProperty `xml:"properties>property,omitempty"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name       string           `xml:"name,attr"`
	Class      string           `xml:"classname,attr"`
	Time       string           `xml:"time,attr"`
	Properties *junitProperties `xml:"properties,omitempty"`
	Failure    *junitProblem    `xml:"failure,omitempty"`
	Error      *junitProblem    `xml:"error,omitempty"`
}

type junitProperties struct {
	Property []junitProperty `xml:"property"`
}

type junitProblem struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit returns the runs as one JUnit file, a suite a run.
func JUnit(results []*record.Result) ([]byte, error) {
	all := junitSuites{}
	for _, r := range results {
		s := junitRun(r)
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
		all.Suites = append(all.Suites, s)
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return nil, fmt.Errorf("encode junit: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func junitRun(r *record.Result) junitSuite {
	s := junitSuite{Name: r.Scenario.Name, Time: "0"}
	if n := len(r.Phases); n > 0 {
		s.Time = strconv.FormatFloat(r.Phases[n-1].To.Seconds(), 'f', 3, 64)
	}
	if !r.WallStart.IsZero() {
		s.Timestamp = r.WallStart.UTC().Format("2006-01-02T15:04:05")
	}
	s.Properties = []junitProperty{{"run", r.Run}, {"verdict", r.Verdict.String()}, {"reason", r.Reason},
		{"seed", strconv.FormatUint(r.Seed, 10)}, {"command", r.Command}, {"profile", r.Scenario.Profile}, {"row", r.Scenario.Row}}
	if r.Scenario.TwinOf != "" {
		s.Properties = append(s.Properties, junitProperty{"twin of", r.Scenario.TwinOf})
	}
	twin := isTwin(r)
	for _, j := range r.Judgements {
		s.Cases = append(s.Cases, junitObjective(r, j, twin))
	}
	if twin {
		s.Cases = append(s.Cases, junitTwin(r))
	} else if c, needed := junitVerdict(r); needed {
		s.Cases = append(s.Cases, c)
	}
	for _, c := range s.Cases {
		s.Tests++
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
	}
	return s
}

func junitObjective(r *record.Result, j record.Judgement, twin bool) junitCase {
	c := junitCase{Name: j.Objective.Name, Class: r.Scenario.Name, Time: "0"}
	p := []junitProperty{{"value", Measured(j)}, {"target", Target(j.Objective)}, {"limit", Limit(j.Objective)},
		{"samples", strconv.Itoa(j.Samples)}, {"verdict", j.Verdict.String()}}
	if j.Value != nil {
		p = append(p, junitProperty{"value.number", strconv.FormatFloat(*j.Value, 'g', -1, 64)})
	}
	c.Properties = &junitProperties{p}
	if !twin { // a twin's own objectives are meant to fail: "twin caught" judges it
		c.problem(j.Verdict, fmt.Sprintf("%s, target %s, limit %s: %s", Measured(j), Target(j.Objective), Limit(j.Objective), j.Reason), r)
	} else {
		c.Name += " (known-bad twin)"
	}
	return c
}

func (c *junitCase) problem(v record.Verdict, message string, r *record.Result) {
	p := &junitProblem{Type: v.String(), Message: message, Text: message + "\nrun it again: " + r.Command}
	switch v {
	case record.Pass:
	case record.Failed:
		c.Failure = p
	default:
		c.Error = p
	}
}

func junitTwin(r *record.Result) junitCase {
	c := junitCase{Name: "twin caught", Class: r.Scenario.Name, Time: "0"}
	expected, failed := r.Scenario.Expect, []string(nil)
	if r.Caught != nil {
		expected, failed = r.Caught.Expected, r.Caught.Failed
	}
	c.Properties = &junitProperties{[]junitProperty{{"expected to fail", strings.Join(expected, ", ")},
		{"failed", strings.Join(failed, ", ")}, {"verdict", r.Verdict.String()}, {"twin of", r.Scenario.TwinOf}}}
	if r.Caught != nil && r.Caught.Caught {
		return c
	}
	message := fmt.Sprintf("known-bad twin was not caught: expected a failure of %s, failed: %s; verdict %s: %s",
		strings.Join(expected, ", "), orNone(failed), r.Verdict, r.Reason)
	v := r.Verdict
	if v == record.Pass { // passing is exactly what a twin must not do
		v = record.Failed
	}
	c.problem(v, message, r)
	return c
}

// junitVerdict is a case of its own when the run is worse than each of its
// objectives, or has none: a run must not vanish from the file.
func junitVerdict(r *record.Result) (junitCase, bool) {
	worst := record.VerdictUnset
	for _, j := range r.Judgements {
		worst = record.Worst(worst, j.Verdict)
	}
	if len(r.Judgements) > 0 && r.Verdict <= worst {
		return junitCase{}, false
	}
	c := junitCase{Name: "verdict", Class: r.Scenario.Name, Time: "0"}
	c.problem(r.Verdict, r.Reason, r)
	return c, true
}

func orNone(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}
