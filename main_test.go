package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readmeCommands returns the lines of the README's shell blocks.
func readmeCommands(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var commands []string
	inside := false
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "```sh":
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside && line != "" && !strings.HasPrefix(line, "#"):
			commands = append(commands, line)
		}
	}
	require.NotEmpty(t, commands)
	return commands
}

// TestEveryCommandOfTheReadmeWorks runs them in order, as a newcomer would.
// The make targets are only expanded: this test is itself part of one.
func TestEveryCommandOfTheReadmeWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("not run under -short: the README runs drills")
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "hadrill"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	work := t.TempDir()
	for _, command := range readmeCommands(t) {
		t.Run(command, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			var cmd *exec.Cmd
			if target, ok := strings.CutPrefix(command, "make "); ok {
				cmd = exec.CommandContext(ctx, "make", "-n", target)
			} else {
				cmd = exec.CommandContext(ctx, "sh", "-c", command)
				cmd.Dir = work
				cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "DISPLAY=", "WAYLAND_DISPLAY=")
			}
			// An interrupted hadrill heals and cleans up before it ends.
			cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
			cmd.WaitDelay = 40 * time.Second
			out, err := cmd.CombinedOutput()
			assert.NoErrorf(t, err, "%s\n%s", command, out)
		})
	}
}
