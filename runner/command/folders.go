package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
)

// Where things are:
//
//	runs/                            --dir
//	├── index.html, summary.md, ...  the newest invocation's scorecard
//	├── 20260314T021700Z/            one invocation, whole and closed
//	│   ├── index.html, plots/, ...  its own scorecard
//	│   └── cache-redis-sentinel-primary-kill-1f2e3d4c/   one run
//	└── 20260313T021655Z/            last night's
//
// So a scorecard speaks of the runs of one invocation and of no older ones,
// two invocations can be compared by naming their folders, and what was
// written once is not rewritten by the next run.

// stampLayout names an invocation's folder by when it began, UTC; the names'
// order is the order in time.
const stampLayout = "20060102T150405Z"

// newInvocation makes the folder of one invocation in dir. Of two that begin
// in the same second one is named a second later.
func newInvocation(dir string, now time.Time) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	for i := range 60 {
		folder := filepath.Join(dir, now.Add(time.Duration(i)*time.Second).UTC().Format(stampLayout))
		err := os.Mkdir(folder, 0o755)
		if err == nil {
			return folder, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make folder: %w", err)
		}
	}
	return "", fmt.Errorf("make folder: sixty invocations began in %s within a minute", dir)
}

// isInvocation tells whether a folder's name is one that newInvocation gives.
func isInvocation(name string) bool {
	_, err := time.Parse(stampLayout, name)
	return err == nil
}

// publish writes the scorecard where its runs are and, without the pictures,
// into top as well when that is another folder.
func publish(s reports.Suite, top string) error {
	if err := s.Write(); err != nil {
		return err
	}
	if filepath.Clean(top) == filepath.Clean(s.Dir) {
		return nil
	}
	s.Dir, s.NoPlots = top, true
	return s.Write()
}

// declarations are the scenarios as data: what should have run.
func declarations(scenarios []runner.Scenario) []record.Scenario {
	out := make([]record.Scenario, 0, len(scenarios))
	for _, s := range scenarios {
		out = append(out, s.Declaration())
	}
	return out
}

// console prints runs with the folders they are really in.
func (a *app) console(folders []string, results []*record.Result) reports.Console {
	c := reports.Console{Color: isTerminal(a.out), Folders: map[string]string{}}
	for i, r := range results {
		c.Folders[r.Run] = shown(folders[i])
	}
	return c
}

// shown is a path as the user would type it here: relative when it lies below
// the working directory.
func shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) || !filepath.IsAbs(path) {
		return path
	}
	return rel
}
