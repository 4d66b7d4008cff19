package command

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// flow is what a workflow and a composite action have in common: steps.
type flow struct {
	Defaults shellDefault         `yaml:"defaults"`
	Inputs   map[string]yaml.Node `yaml:"inputs"`
	Outputs  map[string]struct {
		Value string `yaml:"value"`
	} `yaml:"outputs"`
	Jobs map[string]struct {
		Defaults shellDefault `yaml:"defaults"`
		Needs    string       `yaml:"needs"`
		Steps    []step       `yaml:"steps"`
	} `yaml:"jobs"`
	Runs struct {
		Using string `yaml:"using"`
		Steps []step `yaml:"steps"`
	} `yaml:"runs"`
}

type shellDefault struct {
	Run struct {
		Shell string `yaml:"shell"`
	} `yaml:"run"`
}

type step struct {
	ID    string            `yaml:"id"`
	Name  string            `yaml:"name"`
	Uses  string            `yaml:"uses"`
	Run   string            `yaml:"run"`
	Shell string            `yaml:"shell"`
	Env   map[string]string `yaml:"env"`
	With  map[string]string `yaml:"with"`
}

var (
	callOfHadrill = regexp.MustCompile(`(?:^|[\s({])(?:\./)?hadrill ([^|;&>\n]*)(\|[^|])?`)
	callOfMake    = regexp.MustCompile(`(?:^|[\s({])make ([^|;&>\n]*)`)
	flagWord      = regexp.MustCompile(`--([a-z][a-z-]*)`)
	subcommand    = regexp.MustCompile(`^[a-z]+`)
	makeTarget    = regexp.MustCompile(`(?m)^([a-z]+):`)
	stepOutput    = regexp.MustCompile(`steps\.(\w+)\.outputs\.(\w+)`)
	inputRef      = regexp.MustCompile(`inputs\.(\w+)`)
)

// faultsOf lists what in a workflow or action would not do what it says:
// commands, flags and targets that do not exist, a gate whose exit code a pipe
// swallows, expressions inside scripts (where what they stand for is run as
// code), outputs and inputs that nobody declares.
func faultsOf(source []byte, makefile string) []string {
	var f flow
	if err := yaml.Unmarshal(source, &f); err != nil {
		return []string{"no YAML: " + err.Error()}
	}
	var faults []string
	for name, job := range f.Jobs {
		if _, ok := f.Jobs[job.Needs]; job.Needs != "" && !ok {
			faults = append(faults, fmt.Sprintf("job %s needs %s, which does not exist", name, job.Needs))
		}
		shell := job.Defaults.Run.Shell
		if shell == "" {
			shell = f.Defaults.Run.Shell
		}
		faults = append(faults, faultsOfSteps(job.Steps, shell, makefile)...)
	}
	faults = append(faults, faultsOfSteps(f.Runs.Steps, "", makefile)...)
	for name, out := range f.Outputs {
		faults = append(faults, undeclared(f.Runs.Steps, "output "+name, out.Value)...)
	}
	for _, ref := range inputRef.FindAllSubmatch(source, -1) {
		if _, ok := f.Inputs[string(ref[1])]; !ok {
			faults = append(faults, fmt.Sprintf("inputs.%s is not declared", ref[1]))
		}
	}
	return faults
}

func faultsOfSteps(steps []step, shell, makefile string) []string {
	var faults []string
	for _, s := range steps {
		if s.Shell != "" {
			shell = s.Shell
		}
		if strings.Contains(s.Run, "${{") {
			faults = append(faults, fmt.Sprintf("%q has an expression in its script: pass it through env", s.Name))
		}
		script := strings.ReplaceAll(s.Run, "\\\n", " ")
		for _, call := range callOfHadrill.FindAllStringSubmatch(script, -1) {
			if call[2] != "" && shell != "bash" {
				faults = append(faults, fmt.Sprintf("%q pipes hadrill in a shell that drops its exit code", s.Name))
			}
			faults = append(faults, faultsOfCall(call[1])...)
		}
		for _, call := range callOfMake.FindAllStringSubmatch(script, -1) {
			faults = append(faults, faultsOfMake(call[1], makefile)...)
		}
		for _, value := range s.Env {
			faults = append(faults, undeclared(steps, s.Name, value)...)
		}
	}
	return faults
}

func faultsOfCall(words string) []string {
	name := subcommand.FindString(words)
	cmd, _, err := (&app{}).root().Find([]string{name})
	if err != nil || name == "" || cmd.Name() != name {
		return []string{fmt.Sprintf("hadrill %s: no such command", strings.TrimSpace(words))}
	}
	var faults []string
	for _, flag := range flagWord.FindAllStringSubmatch(words, -1) {
		if cmd.Flags().Lookup(flag[1]) == nil {
			faults = append(faults, fmt.Sprintf("hadrill %s has no --%s", name, flag[1]))
		}
	}
	return faults
}

func faultsOfMake(words, makefile string) []string {
	var faults []string
	fields := strings.Fields(words)
	for i, word := range fields {
		if !subcommand.MatchString(word) || i > 0 && fields[i-1] == "-C" || strings.Contains(word, "=") {
			continue
		}
		known := false
		for _, target := range makeTarget.FindAllStringSubmatch(makefile, -1) {
			known = known || target[1] == word
		}
		if !known {
			faults = append(faults, fmt.Sprintf("make %s: no such target", word))
		}
	}
	return faults
}

// undeclared lists references to outputs that no script of a step writes.
func undeclared(steps []step, where, text string) []string {
	var faults []string
	for _, ref := range stepOutput.FindAllStringSubmatch(text, -1) {
		written := false
		for _, s := range steps {
			written = written || s.ID == ref[1] && strings.Contains(s.Run, ref[2]+"=") && strings.Contains(s.Run, "GITHUB_OUTPUT")
		}
		if !written {
			faults = append(faults, fmt.Sprintf("%s: no step %s writes an output %s", where, ref[1], ref[2]))
		}
	}
	return faults
}

func TestTheWorkflowsCallWhatExists(t *testing.T) {
	root := filepath.Join("..", "..")
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	for _, file := range []string{"workflows/nightly.yml", "workflows/pull-request.yml", "actions/hadrill/action.yml"} {
		t.Run(file, func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(root, ".github", file))
			require.NoError(t, err)
			assert.Empty(t, faultsOf(source, string(makefile)))
			gates := regexp.MustCompile(`hadrill gate `).FindAll(source, -1)
			assert.Len(t, gates, 1, "there is one gate")
		})
	}
}

func TestAWorkflowThatCallsWhatDoesNotExistIsFound(t *testing.T) {
	job := func(script string) string {
		return "jobs:\n  all:\n    steps:\n      - name: x\n        run: |\n          " + strings.ReplaceAll(script, "\n", "\n          ") + "\n"
	}
	for _, c := range []struct{ says, source string }{
		{"hadrill gates runs: no such command", job("./hadrill gates runs")},
		{"hadrill --json gate: no such command", job("hadrill --json gate")},
		{"hadrill gate has no --base", job(`./hadrill gate ${BASE:+--base "$BASE"} runs`)},
		{"hadrill run has no --repeats", job("make setup && ./hadrill run \\\n  --repeats 10")},
		{"make setups: no such target", job("make -C .. setups")},
		{"drops its exit code", job("./hadrill gate runs | tee gate.txt")},
		{"pass it through env", job("./hadrill run ${{ github.event.pull_request.title }}")},
		{"needs none, which does not exist", "jobs:\n  all:\n    needs: none\n"},
		{"no step gate writes an output letter", "outputs:\n  letter:\n    value: ${{ steps.gate.outputs.letter }}\nruns:\n  steps:\n    - id: gate\n      run: echo verdict=x >> $GITHUB_OUTPUT\n"},
		{"inputs.profil is not declared", "inputs:\n  profile: {}\nruns:\n  steps:\n    - env:\n        P: ${{ inputs.profil }}\n"},
		{"no YAML", "jobs: ["},
	} {
		t.Run(c.says, func(t *testing.T) {
			assert.Contains(t, strings.Join(faultsOf([]byte(c.source), "setup: build\n"), "\n"), c.says)
		})
	}
	assert.Empty(t, faultsOf([]byte("defaults:\n  run:\n    shell: bash\n"+job("make setup\n./hadrill gate --json runs | tee gate.txt")), "setup: build\n"))
}
