package reports

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/runner/record"
)

// Terminal prints a summary of runs: one line each, the details of what is
// not as it should be (of everything, when there is one run), and a count.
// Run folders are taken to stand in "runs"; use Console for another place.
func Terminal(w io.Writer, results []*record.Result, color bool) {
	Console{Color: color, Root: "runs"}.Print(w, results)
}

// Console prints to a terminal.
type Console struct {
	Color   bool
	Root    string            // where the run folders are
	Folders map[string]string // of a run, by its name; one that is missing is taken to stand in Root
}

// Print writes the summary of runs in their order. Control characters in
// what a run recorded are not passed on to the terminal.
func (c Console) Print(w io.Writer, results []*record.Result) {
	if len(results) == 0 {
		fmt.Fprintln(w, c.paint("doubt", "no runs: nothing was verified"))
		return
	}
	name := 0
	for _, r := range results {
		name = max(name, utf8.RuneCountInString(clean(r.Scenario.Name)))
	}
	counts := map[string]int{}
	for _, r := range results {
		sign, word, class := outcome(r)
		counts[word]++
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%s  %s  %s", c.paint(class, pad(sign+" "+word, 15)), pad(clean(r.Scenario.Name), name), keyValues(r)), " "))
		if len(results) == 1 || !fine(r) {
			c.details(w, r)
		}
	}
	if len(results) > 1 {
		var parts []string
		for _, word := range []string{"pass", "caught", "fail", "missed", "inconclusive", "vacuous", "harness-error", "unset"} {
			if n := counts[word]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, word))
			}
		}
		fmt.Fprintf(w, "\n%s: %s\n", plural(len(results), "run", "runs"), strings.Join(parts, ", "))
	}
}

// keyValues is the line's tail: rto, lost, availability.
func keyValues(r *record.Result) string {
	var parts []string
	if in := worstIncident(r); in != nil {
		parts = append(parts, "rto "+rtoText(in))
	}
	if l := r.Ledger; l != nil && l.Definitive {
		parts = append(parts, fmt.Sprintf("lost %s of %s", grouped(int64(l.Lost)), grouped(int64(l.Acknowledged))))
	}
	if j := judgement(r, "availability.requests"); j != nil && j.Value != nil {
		parts = append(parts, "availability "+Measured(*j))
	}
	return strings.Join(parts, "   ")
}

func (c Console) details(w io.Writer, r *record.Result) {
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(w, "    %s  %s\n", c.paint("soft", pad(label, 12)), clean(text))
		}
	}
	if _, word, _ := outcome(r); word == "missed" {
		line("missed", "this known-bad twin of "+r.Scenario.TwinOf+" had to fail on "+orNone(r.Scenario.Expect)+" and did not: the check proves nothing")
	}
	line("because", r.Reason)
	for _, j := range r.Judgements {
		s := fmt.Sprintf("%s %s %s  (target %s, limit %s)", symbol(j.Verdict), pad(j.Objective.Name, 24), pad(Measured(j), 13), Target(j.Objective), Limit(j.Objective))
		if j.Verdict != record.Pass && j.Reason != "" {
			s += ": " + j.Reason
		}
		fmt.Fprintf(w, "      %s\n", c.paint(verdictClass(j.Verdict), clean(s)))
	}
	if in := worstIncident(r); in != nil {
		parts := decomposition(in)
		if parts == "" {
			parts = "parts not seen"
		}
		line("rto", rtoText(in)+" = "+parts)
	}
	if l := r.Ledger; l != nil {
		text := fmt.Sprintf("%s acknowledged, %s lost, %s unknown, %s duplicates", grouped(int64(l.Acknowledged)), grouped(int64(l.Lost)), grouped(int64(l.Unknown)), grouped(int64(l.Duplicates)))
		if !l.Definitive {
			text += "; no definitive read: nothing is known about loss"
		}
		line("ledger", text)
	}
	for i, f := range r.Findings {
		if i == 3 {
			line("", fmt.Sprintf("and %d more findings", len(r.Findings)-i))
			break
		}
		line("finding", f.Check+": "+f.Text)
	}
	if len(r.Lanes) > 0 {
		line("instrument", fmt.Sprintf("control lane's worst gap %s (resolution %s), schedule lag %s", draw.Seconds(r.Instrument.WorstGap),
			draw.Seconds(r.Instrument.Resolution), draw.Seconds(r.Instrument.MaxLag)))
	}
	if !fine(r) {
		line("again", r.Command)
	}
	line("folder", cmp.Or(c.Folders[r.Run], filepath.Join(c.Root, r.Run)))
}

var ansi = map[string]string{"pass": "32", "fail": "31;1", "error": "35;1", "doubt": "33", "soft": "2"}

func (c Console) paint(class, s string) string {
	if code, ok := ansi[class]; ok && c.Color {
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	return s
}

func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s)))
}

// clean keeps a recorded text from steering the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}
