package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness/images"
)

// A BuildError is a recipe that did not build: the step of the Dockerfile, the
// engine's word, and the last lines the step printed.
type BuildError struct {
	Component string
	Step      string   // "RUN apt-get install ..." as the Dockerfile has it
	Line      string   // the output line that most likely says why
	Message   string   // the engine's message
	Tail      []string // the last output lines, oldest first
}

// Error names the component, the step and the failing line.
func (b *BuildError) Error() string {
	out := "build image " + b.Component
	if b.Step != "" {
		out += ", step " + b.Step
	}
	if b.Line != "" {
		out += ": " + b.Line
	}
	return out + ": " + b.Message
}

// buildComponent builds the embedded recipe of a component and tags it.
func (e *Engine) buildComponent(ctx context.Context, component string, report reporter) error {
	known, err := images.Lookup(component)
	if err != nil {
		return err
	}
	recipe, err := images.Load(component, os.Getenv(known.RootKey()))
	if err != nil {
		return err
	}
	var from string
	if known.IsBase() {
		if from, err = e.root(ctx, known, report); err != nil {
			return err
		}
	} else {
		base, err := e.Image(ctx, known.Base(), report.to)
		if err != nil {
			return fmt.Errorf("image %s needs the base image: %w", component, err)
		}
		from = base.Ref
	}
	return e.buildRecipe(ctx, recipe, from, report)
}

// buildRecipe builds in two steps: the recipe, then a layer-less image on top
// with labels that could only be known afterwards (the installed versions).
// Nothing carries the recipe's tag until all of it is done.
func (e *Engine) buildRecipe(ctx context.Context, recipe images.Recipe, from string, report reporter) error {
	name := recipe.Component.Name
	source := recipe
	if recipe.Component.Maven {
		host, err := hostMaven()
		if err != nil {
			return fmt.Errorf("image %s: %w", name, err)
		}
		source.Files = slices.Concat(recipe.Files, host)
	}
	archive, err := source.Context()
	if err != nil {
		return err
	}
	arguments := proxyArguments(os.LookupEnv)
	lock := recipe.Lock.Argument()
	arguments["BASE"], arguments["LOCK"] = &from, &lock
	built, err := e.build(ctx, name, archive, client.ImageBuildOptions{BuildArgs: arguments, NoCache: true, Remove: true, ForceRemove: true}, report)
	if err != nil {
		return err
	}
	versions, err := json.Marshal(built.versions)
	if err != nil {
		return fmt.Errorf("image %s: encode versions: %w", name, err)
	}
	labels := map[string]string{LabelImage: "1", LabelComponent: name, LabelVersions: string(versions), LabelFrom: from}
	if len(built.drift) > 0 {
		labels[LabelDrift] = strings.Join(built.drift, "; ")
	}
	if parent, err := e.client.ImageInspect(ctx, from); err == nil {
		labels[LabelBase] = parent.ID
	}
	cover := images.Recipe{Component: recipe.Component, Files: []images.File{{Name: "Dockerfile", Content: []byte("FROM " + built.id + "\n")}}}
	if archive, err = cover.Context(); err != nil {
		return err
	}
	_, err = e.build(ctx, name, archive, client.ImageBuildOptions{Tags: []string{recipe.Ref()}, Labels: labels, Remove: true, ForceRemove: true}, report)
	return errors.Join(err, e.dropStages(ctx, built.stages))
}

// dropStages removes the images of a recipe's earlier stages, which the engine
// keeps without a name: they are large, and one may hold the host's settings.
// A stage that a later one is built on stays as its layers.
func (e *Engine) dropStages(ctx context.Context, stages []string) error {
	for _, id := range slices.Backward(stages) {
		_, err := e.client.ImageRemove(ctx, id, client.ImageRemoveOptions{PruneChildren: true})
		if err != nil && !errdefs.IsConflict(err) && !errdefs.IsNotFound(err) {
			return fmt.Errorf("remove a stage of the build: %w", err)
		}
	}
	return nil
}

// proxyArguments passes the host's proxy settings to a build. The engine
// predefines these argument names and keeps them out of the image's history.
func proxyArguments(environment func(string) (string, bool)) map[string]*string {
	out := map[string]*string{}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		if value, set := environment(name); set && value != "" {
			out[name] = &value
		}
	}
	return out
}

type buildResult struct {
	id       string
	stages   []string // images of the stages before the last
	versions map[string]string
	drift    []string
}

// build runs one build on the engine's classic builder.
func (e *Engine) build(ctx context.Context, component string, archive []byte, options client.ImageBuildOptions, report reporter) (buildResult, error) {
	response, err := e.client.ImageBuild(ctx, bytes.NewReader(archive), options)
	if err != nil {
		return buildResult{}, fmt.Errorf("build image %s: %w", component, err)
	}
	defer response.Body.Close()
	result, err := readBuild(response.Body, component, report)
	if err != nil && ctx.Err() != nil {
		return buildResult{}, fmt.Errorf("build image %s: %w", component, ctx.Err())
	}
	return result, err
}

const tailLines = 20

// readBuild follows the engine's stream of JSON messages to its end.
func readBuild(stream io.Reader, component string, report reporter) (buildResult, error) {
	result := buildResult{versions: map[string]string{}}
	var step, complaint string // complaint: the step's last line on standard error
	var tail []string
	decoder := json.NewDecoder(stream)
	for {
		var message jsonstream.Message
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return buildResult{}, fmt.Errorf("build image %s: read the engine's answer: %w", component, err)
		}
		if message.Error != nil {
			return buildResult{}, &BuildError{Component: component, Step: step, Line: telling(tail, complaint), Message: message.Error.Message, Tail: tail}
		}
		if message.Aux != nil {
			var aux struct{ ID string }
			if json.Unmarshal(*message.Aux, &aux) == nil && aux.ID != "" {
				if result.id != "" {
					result.stages = append(result.stages, result.id)
				}
				result.id = aux.ID
			}
		}
		fromStderr := strings.HasPrefix(message.Stream, stderrColour)
		for line := range lines(message.Stream) {
			report.line("build", line)
			if _, text, isStep := strings.Cut(line, " : "); isStep && strings.HasPrefix(line, "Step ") {
				step, complaint, tail = text, "", nil
				continue
			}
			if version, ok := strings.CutPrefix(line, "hadrill-version: "); ok {
				if name, number, ok := strings.Cut(version, " "); ok {
					result.versions[name] = number
				}
			}
			if drift, ok := strings.CutPrefix(line, "hadrill-drift: "); ok {
				result.drift = append(result.drift, drift)
			}
			if isChatter(line) {
				continue
			}
			if fromStderr {
				complaint = line
			}
			if tail = append(tail, line); len(tail) > tailLines {
				tail = tail[1:]
			}
		}
	}
	if result.id == "" {
		return buildResult{}, fmt.Errorf("build image %s: the engine's answer ended without an image", component)
	}
	return result, nil
}

// isChatter tells the builder's own words from a step's output.
func isChatter(line string) bool {
	return strings.HasPrefix(line, "Removing intermediate container ") || strings.HasPrefix(line, "---> ")
}

// stderrColour is how the classic builder marks a step's standard error. Its
// two streams reach us in any order, so the mark is all there is to go by.
const stderrColour = "\x1b[91m"

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// lines yields the non-empty lines of a chunk of output, without colours.
func lines(chunk string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		scanner := bufio.NewScanner(strings.NewReader(chunk))
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			if line := strings.TrimSpace(colour.ReplaceAllString(scanner.Text(), "")); line != "" && !yield(line) {
				return
			}
		}
	}
}

// telling picks the line of a failed step's output to show first: apt's and
// dpkg's own error lines, then the last complaint, then the last line of all.
func telling(tail []string, complaint string) string {
	for _, line := range tail {
		if strings.HasPrefix(line, "E: ") || strings.Contains(line, "dpkg: error") {
			return line
		}
	}
	if complaint != "" || len(tail) == 0 {
		return complaint
	}
	return tail[len(tail)-1]
}
