package engine

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/images"
)

func TestReadBuildKeepsVersionsAndDrift(t *testing.T) {
	stream := strings.NewReader(`{"stream":"Step 1/2 : FROM x\n"}
{"stream":"hadrill-drift: redis-server 5:8.0 is not offered any more, took 5:8.1\nhadrill-version: redis-server 5:8.1\n"}
{"stream":" ---> 0123\n"}
{"aux":{"ID":"sha256:0123"}}`)
	got, err := readBuild(stream, "redis", reporter{})
	require.NoError(t, err)
	assert.Equal(t, "sha256:0123", got.id)
	assert.Equal(t, map[string]string{"redis-server": "5:8.1"}, got.versions)
	assert.Equal(t, []string{"redis-server 5:8.0 is not offered any more, took 5:8.1"}, got.drift)
}

func TestReadBuildNamesTheFailingLine(t *testing.T) {
	stream := strings.NewReader(`{"stream":"Step 1/2 : FROM x\n"}
{"stream":"Step 2/2 : RUN hadrill-install nosuch\n"}
{"stream":"Reading package lists...\nE: Unable to locate package nosuch\nsome later chatter\nRemoving intermediate container 0123\n"}
{"errorDetail":{"code":100,"message":"The command returned a non-zero code: 100"},"error":"..."}`)
	_, err := readBuild(stream, "redis", reporter{})
	var failed *BuildError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "RUN hadrill-install nosuch", failed.Step)
	assert.Equal(t, "E: Unable to locate package nosuch", failed.Line)
	assert.Contains(t, failed.Message, "code: 100")
	assert.ErrorContains(t, err, "redis")
}

func TestTheTellingLine(t *testing.T) {
	for _, c := range []struct {
		name, stream, want string
	}{
		{"apt's error before all", "E: no such package\\n\"}\n{\"stream\":\"\\u001b[91mlater complaint\\u001b[0m\\n", "E: no such package"},
		{"a complaint, wherever it arrives", "\\u001b[91mon fire\\n\\u001b[0m\"}\n{\"stream\":\"fine\\n", "on fire"},
		{"the last line, if nothing complains", "one\\ntwo\\n", "two"},
		{"nothing at all", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			stream := `{"stream":"Step 1/1 : RUN x\n"}` + "\n" + `{"stream":"` + c.stream + `"}` + "\n" + `{"errorDetail":{"message":"code 1"}}`
			_, err := readBuild(strings.NewReader(stream), "redis", reporter{})
			var failed *BuildError
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, c.want, failed.Line)
		})
	}
}

func TestABuildThatEndsWithoutAnImageIsAnError(t *testing.T) {
	for _, stream := range []string{"", `{"stream":"Step 1/2 : FROM x\n"}`, `{"stream":"Ste`} {
		_, err := readBuild(strings.NewReader(stream), "redis", reporter{})
		assert.Error(t, err, "%q", stream)
	}
}

func TestProxySettingsArePassedAndNothingElse(t *testing.T) {
	environment := map[string]string{"http_proxy": "http://192.0.2.1:3128", "HTTPS_PROXY": "", "SECRET": "x"}
	got := proxyArguments(func(key string) (string, bool) { value, ok := environment[key]; return value, ok })
	require.Len(t, got, 1)
	assert.Equal(t, "http://192.0.2.1:3128", *got["http_proxy"])
}

func TestImagesHoldWhatTheyPromise(t *testing.T) {
	engine := connected(t)
	for component, check := range map[string]struct {
		pkg     string
		command []string
		want    string
	}{
		"redis": {"redis-server", []string{"sh", "-c", "redis-server --version; ls /usr/bin/redis-sentinel /usr/bin/redis-cli"}, "Redis server v=8"},
		"nginx": {"nginx-light", []string{"sh", "-c", "nginx -v 2>&1"}, "nginx version: nginx/1.26"},
		"edge":  {"keepalived", []string{"sh", "-c", "nginx -v 2>&1; haproxy -v; keepalived --version 2>&1"}, "Keepalived v2"},
	} {
		t.Run(component, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			info, err := engine.Image(ctx, component, nil)
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(info.Ref, images.Registry+"/"+component+":"))
			assert.NotEmpty(t, info.Versions[check.pkg])
			assert.Equal(t, images.Built, info.Origin)
			assert.Contains(t, runOnce(ctx, t, engine, info.Ref, check.command), check.want)

			began := time.Now()
			again, err := engine.Image(ctx, component, func(event Event) { t.Errorf("work on a present image: %+v", event) })
			require.NoError(t, err)
			assert.Equal(t, info, again)
			assert.Less(t, time.Since(began), 500*time.Millisecond)

			substitute, err := engine.Substitutor().Substitute("hadrill/" + component)
			require.NoError(t, err)
			assert.Equal(t, info.Ref, substitute)
		})
	}
}

// scratchRecipe is a recipe outside the table, removed after the test.
func scratchRecipe(t *testing.T, engine *Engine, dockerfile string, lock ...images.LockLine) images.Recipe {
	t.Helper()
	recipe := images.Recipe{
		Component: images.Component{Name: "scratch-test"},
		Lock:      lock,
		Files:     []images.File{{Name: "Dockerfile", Content: fmt.Appendf(nil, "%s# %d %d\n", dockerfile, os.Getpid(), time.Now().UnixNano())}},
	}
	t.Cleanup(func() { assert.NoError(t, engine.remove(context.Background(), recipe.Ref())) })
	return recipe
}

func TestABrokenRecipeGivesTheFailingLine(t *testing.T) {
	engine := connected(t)
	base, err := engine.Image(t.Context(), images.BaseComponent, nil)
	require.NoError(t, err)
	recipe := scratchRecipe(t, engine, "ARG BASE\nFROM ${BASE}\nRUN echo fine && echo the disk is on fire >&2 && exit 7\n")
	err = engine.buildRecipe(t.Context(), recipe, base.Ref, reporter{})
	var failed *BuildError
	require.ErrorAs(t, err, &failed)
	assert.Contains(t, failed.Step, "RUN echo fine")
	assert.Equal(t, "the disk is on fire", failed.Line)
	assert.Contains(t, failed.Message, "7")
	here, err := engine.has(t.Context(), recipe.Ref())
	require.NoError(t, err)
	assert.False(t, here, "a failed build must not leave the tag")
}

func TestAPackageThatMovedOnIsNamedAsDrift(t *testing.T) {
	engine := connected(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	base, err := engine.Image(ctx, images.BaseComponent, nil)
	require.NoError(t, err)
	recipe := scratchRecipe(t, engine, "ARG BASE\nFROM ${BASE}\nARG LOCK\nRUN hadrill-install ca-certificates\n",
		images.LockLine{Component: "scratch-test", Package: "ca-certificates", Version: "1.0-gone"})
	require.NoError(t, engine.buildRecipe(ctx, recipe, base.Ref, reporter{}))
	info, found, err := engine.inspect(ctx, images.Choice{Component: "scratch-test", Ref: recipe.Ref(), Origin: images.Built})
	require.NoError(t, err)
	require.True(t, found)
	assert.Contains(t, info.Drift, "ca-certificates 1.0-gone is not offered any more")
	assert.NotEqual(t, "1.0-gone", info.Versions["ca-certificates"])
}

func TestAnImageThatCannotBeHadIsAProblem(t *testing.T) {
	engine := connected(t)
	t.Setenv("HADRILL_IMAGE_REDIS", "127.0.0.1:9/nothing/here:1")
	_, err := engine.Image(t.Context(), "redis", nil)
	require.ErrorIs(t, err, ErrNoImage)
	var problem *Problem
	require.ErrorAs(t, err, &problem)
	assert.Contains(t, problem.What, "127.0.0.1:9/nothing/here:1")
	assert.Contains(t, problem.Remedy, "docker load")
}

func TestAnUnknownComponentIsAnError(t *testing.T) {
	engine := connected(t)
	_, err := engine.Image(t.Context(), "nosuch", nil)
	assert.ErrorIs(t, err, images.ErrUnknownComponent)
}

func TestConcurrentCallersShareOnePieceOfWork(t *testing.T) {
	engine := &Engine{}
	release := make(chan struct{})
	var calls int
	var group sync.WaitGroup
	var started sync.WaitGroup
	for range 8 {
		started.Add(1)
		group.Go(func() {
			started.Done()
			info, err := shared(t.Context(), engine, "key", func() (ImageInfo, error) {
				<-release
				calls++
				return ImageInfo{Ref: "x", Versions: map[string]string{}}, nil
			})
			assert.NoError(t, err)
			info.Versions["mine"] = "1" // each caller has a map of its own
		})
	}
	started.Wait()
	time.Sleep(20 * time.Millisecond) // let all of them reach the work
	close(release)
	group.Wait()
	assert.Equal(t, 1, calls)
}

func TestACancelledPartnerDoesNotFailTheOthers(t *testing.T) {
	engine := &Engine{}
	first, cancel := context.WithCancel(t.Context())
	inside := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		_, err := shared(first, engine, "key", func() (ImageInfo, error) {
			close(inside)
			<-first.Done()
			return ImageInfo{}, first.Err()
		})
		assert.ErrorIs(t, err, context.Canceled)
	})
	<-inside
	group.Go(func() {
		info, err := shared(t.Context(), engine, "key", func() (ImageInfo, error) { return ImageInfo{Ref: "second"}, nil })
		assert.NoError(t, err)
		assert.Equal(t, "second", info.Ref)
	})
	time.Sleep(10 * time.Millisecond)
	cancel()
	group.Wait()
}

func TestTheFileLockExcludesAndIsGivenBack(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	release, err := lockFile(t.Context(), "thing")
	require.NoError(t, err)
	waiting, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
	defer cancel()
	_, err = lockFile(waiting, "thing")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	other, err := lockFile(t.Context(), "other")
	require.NoError(t, err, "another component is another lock")
	other()
	release()
	release, err = lockFile(t.Context(), "thing")
	require.NoError(t, err)
	release()
}
