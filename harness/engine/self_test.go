package engine

import (
	"bytes"
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAStaticProgramNeedsNoLibraries(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a program")
	}
	program := compile(t, `package main
func main() {}`, "CGO_ENABLED=0")
	needed, err := libraries(program)
	require.NoError(t, err)
	assert.Empty(t, needed)
}

func TestADynamicProgramNeedsItsInterpreterAndLibraries(t *testing.T) {
	program, err := exec.LookPath("sh")
	require.NoError(t, err)
	program, err = filepath.EvalSymlinks(program)
	require.NoError(t, err)
	object, err := elf.Open(program)
	require.NoError(t, err)
	defer object.Close()
	named, err := object.ImportedLibraries()
	require.NoError(t, err)
	require.NotEmpty(t, named, "the shell is expected to be dynamic")

	needed, err := libraries(program)
	require.NoError(t, err)
	var names []string
	for _, path := range needed {
		assert.FileExists(t, path)
		assert.True(t, filepath.IsAbs(path))
		names = append(names, filepath.Base(path))
	}
	for _, name := range named {
		assert.Contains(t, names, name)
	}
	assert.Greater(t, len(needed), len(named)-1, "the interpreter comes with them")
	assert.Len(t, unique(needed), len(needed), "no file twice")
}

func TestAMissingLibraryIsNamed(t *testing.T) {
	finder := libraryFinder{folders: []string{t.TempDir()}, seen: map[string]bool{}}
	err := finder.visit("/bin/sh")
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "libc.so")
}

func TestATextFileIsNotAProgram(t *testing.T) {
	file := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755))
	_, err := libraries(file)
	assert.ErrorContains(t, err, "read ELF")
}

func TestStaleKeepsTheNewestAndTheYoung(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	old := []selfImage{
		{"day", ago(24 * time.Hour)}, {"hour", ago(time.Hour)}, {"week", ago(7 * 24 * time.Hour)},
		{"two hours", ago(2 * time.Hour)}, {"month", ago(30 * 24 * time.Hour)},
	}
	assert.Equal(t, []string{"week", "month"}, stale(old, now))

	var burst []selfImage
	for i := range 10 {
		burst = append(burst, selfImage{ref: "young", made: ago(time.Duration(i) * time.Second)})
	}
	assert.Empty(t, stale(burst, now), "a test run with many programs must not lose its images")
}

func TestSelfRunsThisProgramInAContainer(t *testing.T) {
	engine := connected(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	image, err := engine.Self(ctx)
	require.NoError(t, err)
	again, err := engine.Self(ctx)
	require.NoError(t, err)
	assert.Equal(t, image, again)

	assert.Equal(t, greeting+"\n", runOnce(ctx, t, engine, image.Ref, nil, "HADRILL_ENGINE_TEST_SELF=1"))
}

// compile builds a Go program from source, for its shape and not to be run.
func compile(t *testing.T, source string, environment ...string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600))
	command := exec.CommandContext(t.Context(), "go", "build", "-o", "program", "main.go")
	command.Dir = dir
	command.Env = append(os.Environ(), environment...)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "program")
}

// runOnce runs a container to its end and returns its standard output.
func runOnce(ctx context.Context, t *testing.T, engine *Engine, ref string, command []string, environment ...string) string {
	t.Helper()
	created, err := engine.Client().ContainerCreate(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: ref, Cmd: command, Env: environment},
		HostConfig: &container.HostConfig{NetworkMode: "none"},
	})
	require.NoError(t, err)
	defer func() {
		_, err := engine.Client().ContainerRemove(context.WithoutCancel(ctx), created.ID, client.ContainerRemoveOptions{Force: true})
		assert.NoError(t, err)
	}()
	waiting := engine.Client().ContainerWait(ctx, created.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	_, err = engine.Client().ContainerStart(ctx, created.ID, client.ContainerStartOptions{})
	require.NoError(t, err)
	var status int64
	select {
	case result := <-waiting.Result:
		status = result.StatusCode
	case err := <-waiting.Error:
		require.NoError(t, err)
	}
	logs, err := engine.Client().ContainerLogs(ctx, created.ID, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	require.NoError(t, err)
	defer logs.Close()
	var out, complaints bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &complaints, logs)
	require.NoError(t, err)
	require.Zero(t, status, "stdout %q, stderr %q", out.String(), complaints.String())
	return out.String()
}

func unique(words []string) map[string]bool {
	out := map[string]bool{}
	for _, word := range words {
		out[word] = true
	}
	return out
}
