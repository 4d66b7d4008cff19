package command

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/runner/record"
)

func (a *app) history() *cobra.Command {
	var s scope
	var noPage bool
	cmd := &cobra.Command{
		Use:   "history DIR...",
		Short: "Show scorecards over time with their natural limits, and put the charts on the newest page",
		Long: `Show how scorecards went over time. Each DIR is a folder with a scorecard.json
or a folder of such folders, such as runs. From five earlier nights on, a value
outside the natural limits (mean and 2.66 mean moving ranges, Shewhart) is a
signal: something changed. Scorecards of mostly other scenarios than the newest
are left out, because their scores would mean something else.

Where the runs of the last DIR are at hand, their page is written again with
the control charts. Exit code: 0; history informs, the gate decides.`,
		Example: `  hadrill history runs
  hadrill history --baseline baseline history runs`,
		Args: atLeastOne("a folder of scorecards"),
		RunE: func(_ *cobra.Command, args []string) error {
			cards, err := a.nights(args)
			if err != nil {
				return err
			}
			if len(cards) == 0 {
				return usage("no scorecard in %v: `hadrill run` and `hadrill report` write %s", args, reports.CardFile)
			}
			alike := likeTheLast(cards)
			if n := len(cards) - len(alike); n > 0 {
				fmt.Fprintf(a.err, "hadrill: left out %s of mostly other scenarios than the newest\n", counted(n, "scorecard", "scorecards"))
			}
			if err := a.printHistory(alike); err != nil {
				return internal(fmt.Errorf("history: %w", err))
			}
			if noPage {
				return nil
			}
			return a.refresh(args[len(args)-1], cards, s)
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&noPage, "no-page", false, "print only; write no page")
	return cmd
}

// refresh writes the page of dir's runs again, with the nights before them.
func (a *app) refresh(dir string, cards []*reports.Scorecard, s scope) error {
	if !holdsAnyRuns(dir) {
		fmt.Fprintf(a.err, "hadrill: %s holds no runs, so no page was written\n", dir)
		return nil
	}
	now, suite, err := a.suite([]string{dir}, s)
	if err != nil {
		return err
	}
	suite.History = before(cards, suite.Card())
	suite.NoPlots = true // those that are there still hold
	return a.writeReport(now, suite, map[bool]string{true: dir}[now.dir == ""])
}

// holdsAnyRuns tells whether gather would find a folder of runs in dir.
func holdsAnyRuns(dir string) bool {
	if holdsRuns(dir) {
		return true
	}
	entries, _ := os.ReadDir(dir) // what cannot be read holds nothing that can be
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return isInvocation(e.Name()) && holdsRuns(filepath.Join(dir, e.Name()))
	})
}

// nights reads the scorecards in dirs, oldest first, each once: a folder's own
// counts only when no folder inside has one, because it is the newest of those.
func (a *app) nights(dirs []string) ([]*reports.Scorecard, error) {
	var cards []*reports.Scorecard
	seen := map[string]bool{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, usage("read history: %v", err)
		}
		var files []string
		for _, e := range entries {
			if f := filepath.Join(dir, e.Name(), reports.CardFile); isFile(f) {
				files = append(files, f)
			}
		}
		if f := filepath.Join(dir, reports.CardFile); len(files) == 0 && isFile(f) {
			files = append(files, f)
		}
		for _, f := range files {
			c, err := reports.ReadScorecard(f)
			if err != nil {
				return nil, usage("%v", err)
			}
			if id := identity(c); !seen[id] {
				seen[id] = true
				cards = append(cards, c)
			}
		}
	}
	slices.SortStableFunc(cards, func(x, y *reports.Scorecard) int { return x.Began.Compare(y.Began) })
	return cards, nil
}

// identity tells scorecards of the same runs from others: a page that was
// written again is not another night.
func identity(c *reports.Scorecard) string {
	id := fmt.Sprint(c.Began.UnixNano(), c.Runs)
	for _, row := range c.Rows {
		for _, s := range row.Scenarios {
			for _, r := range s.Runs {
				id += " " + r.Run
			}
		}
	}
	return id
}

// before returns the cards that are older than now and much like it.
func before(cards []*reports.Scorecard, now *reports.Scorecard) []*reports.Scorecard {
	older := slices.DeleteFunc(slices.Clone(cards), func(c *reports.Scorecard) bool {
		return identity(c) == identity(now) || !c.Began.Before(now.Began)
	})
	alike := likeTheLast(append(older, now))
	return alike[:len(alike)-1]
}

// likeTheLast keeps the cards that share at least half of their scenarios
// with the last: scores over other scenarios are no trend.
func likeTheLast(cards []*reports.Scorecard) []*reports.Scorecard {
	last := scenariosOf(cards[len(cards)-1])
	var out []*reports.Scorecard
	for _, c := range cards {
		names := scenariosOf(c)
		shared := 0
		for name := range names {
			if _, ok := last[name]; ok {
				shared++
			}
		}
		if union := len(names) + len(last) - shared; 2*shared >= union {
			out = append(out, c)
		}
	}
	return out
}

func scenariosOf(c *reports.Scorecard) map[string]reports.ScenarioCard {
	out := map[string]reports.ScenarioCard{}
	for _, row := range c.Rows {
		for _, s := range row.Scenarios {
			out[s.Name] = s
		}
	}
	return out
}

func (a *app) printHistory(cards []*reports.Scorecard) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BEGAN\tGRADE\tSCORE\tVERDICT\tRUNS\tMEASURED\tTWINS\tLOST\tWORST RTO")
	for _, c := range cards {
		score, rto := "-", "-"
		if c.Grade.Score != nil {
			score = fmt.Sprintf("%.0f", *c.Grade.Score)
		}
		if r := c.WorstRTO; r != nil {
			rto = fmt.Sprintf("%s%s %s", map[bool]string{true: "> "}[r.Censored], reports.Value(r.Value, "s"), plain(r.Scenario))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d/%d\t%d/%d\t%d\t%s\n", c.Began.UTC().Format("2006-01-02 15:04"), c.Grade.Letter, score, c.Verdict, c.Runs,
			c.Coverage.Measured, c.Coverage.Declared, c.Twins.Caught, c.Twins.Total, c.Losses.Lost, rto)
	}
	fmt.Fprintln(w, "\nWHAT\tOBJECTIVE\tNIGHTS\tLAST\tMEAN\tNATURAL LIMITS\tSIGNAL")
	for _, s := range allSeries(cards) {
		s.print(w)
	}
	return w.Flush()
}

// series is one value over the nights.
type series struct {
	what, objective string
	nights          []draw.Night
	text            func(float64) string
}

// allSeries are the score, and every objective of every safe scenario of the
// last card.
func allSeries(cards []*reports.Scorecard) []series {
	score := series{what: "score", objective: "-", text: func(v float64) string { return fmt.Sprintf("%.1f", v) }}
	for _, c := range cards {
		n := draw.Night{Missing: c.Grade.Score == nil}
		if !n.Missing {
			n.Value = *c.Grade.Score
		}
		score.nights = append(score.nights, n)
	}
	out := []series{score}
	for _, row := range cards[len(cards)-1].Rows {
		for _, s := range row.Scenarios {
			if s.TwinOf != "" || s.Verdict == record.VerdictUnset {
				continue
			}
			for _, o := range s.Objectives {
				out = append(out, seriesOf(cards, s.Name, o))
			}
		}
	}
	return out
}

func seriesOf(cards []*reports.Scorecard, scenario string, o reports.ObjectiveCard) series {
	s := series{what: scenario, objective: o.Name, text: func(v float64) string { return reports.Value(v, o.Unit) }}
	for _, c := range cards {
		n := draw.Night{Missing: true}
		for _, was := range scenariosOf(c)[scenario].Objectives {
			if was.Name == o.Name && was.Median != nil {
				n.Value, n.Missing = *was.Median, false
			}
		}
		s.nights = append(s.nights, n)
	}
	return s
}

func (s series) print(w *tabwriter.Writer) {
	last, mean, limits, signal := "-", "-", "-", "needs five earlier nights"
	measured := 0
	for _, n := range s.nights {
		if !n.Missing {
			measured++
		}
	}
	end := s.nights[len(s.nights)-1]
	if !end.Missing {
		last = s.text(end.Value)
	}
	if lower, center, upper, ok := draw.Limits(s.nights); ok {
		mean, limits, signal = s.text(center), s.text(lower)+" to "+s.text(upper), "none"
		switch {
		case end.Missing:
			signal = "not measured"
		case draw.Outside(end.Value, lower, upper):
			signal = "OUTSIDE: something changed"
		}
	}
	fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", plain(s.what), s.objective, measured, last, mean, limits, signal)
}
