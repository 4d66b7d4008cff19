package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"github.com/hadrill/hadrill/harness/images"
)

// Labels on every image that hadrill makes.
const (
	LabelImage     = "hadrill.image"     // "1"
	LabelComponent = "hadrill.component" // "redis"
	LabelVersions  = "hadrill.versions"  // JSON object, package to version
	LabelDrift     = "hadrill.drift"     // what differs from versions.lock; absent if nothing
	LabelBase      = "hadrill.base"      // ID of the image it was built FROM
	LabelFrom      = "hadrill.from"      // the reference it was built FROM
	LabelSelf      = "hadrill.self"      // "1" on images of our own executable
)

// ImageInfo is an image that is present in the engine and ready to run.
type ImageInfo struct {
	Component string
	Ref       string            // reference with a registry host part
	ID        string            // "sha256:..." of the image configuration
	Versions  map[string]string // package to version, as installed; empty if the image does not say
	Drift     string            // how Versions differ from the lock; empty if they do not
	From      string            // reference of the image it was built FROM; empty if the image does not say
	Origin    images.Origin     // built, official or override
}

// Image returns a runnable image for a component ("redis", "nginx", ...): the
// one the environment asks for (see [images.Choose]), else the embedded recipe,
// built now if this engine has not built it yet. The first build on a machine
// may have to make the base image as well, which takes a minute or less; a
// present image takes one call to the engine.
//
// Concurrent callers in one process share one build, and processes side by
// side take turns through a file lock. Only the caller that does the work gets
// its progress. errors.Is(err, ErrNoImage) tells that an image is neither here
// nor to be had.
func (e *Engine) Image(ctx context.Context, component string, progress Progress) (ImageInfo, error) {
	choice, err := images.Choose(component, os.LookupEnv)
	if err != nil {
		return ImageInfo{}, err
	}
	info, found, err := e.inspect(ctx, choice)
	if found || err != nil {
		return info, err
	}
	return shared(ctx, e, choice.Ref, func() (ImageInfo, error) {
		report := progress.serial().of(component)
		info, err := e.obtain(ctx, choice, report)
		report.done(err)
		return info, err
	})
}

// shared runs work once for all concurrent callers with the same key. A caller
// whose partner was cancelled does not inherit the cancellation: it tries again.
func shared(ctx context.Context, e *Engine, key string, work func() (ImageInfo, error)) (ImageInfo, error) {
	for {
		result, err, _ := e.flight.Do(key, func() (any, error) { return work() })
		if err == nil {
			info := result.(ImageInfo)
			info.Versions = maps.Clone(info.Versions)
			return info, nil
		}
		cancelled := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
		if ctx.Err() != nil || !cancelled {
			return ImageInfo{}, err
		}
	}
}

// obtain makes an absent image present, holding the machine-wide lock.
func (e *Engine) obtain(ctx context.Context, choice images.Choice, report reporter) (ImageInfo, error) {
	release, err := lockFile(ctx, choice.Component)
	if err != nil {
		return ImageInfo{}, err
	}
	defer release()
	if info, found, err := e.inspect(ctx, choice); found || err != nil {
		return info, err // another process built it while we waited
	}
	if choice.Origin != images.Built {
		if err := e.pull(ctx, choice.Ref, report); err != nil {
			return ImageInfo{}, absent(choice, err)
		}
	} else if err := e.buildComponent(ctx, choice.Component, report); err != nil {
		return ImageInfo{}, err
	}
	info, found, err := e.inspect(ctx, choice)
	if err == nil && !found {
		err = fmt.Errorf("image %s: the engine does not have %s after making it", choice.Component, choice.Ref)
	}
	return info, err
}

func absent(choice images.Choice, why error) error {
	return &Problem{
		What:   fmt.Sprintf("image %s for %s is not here", choice.Ref, choice.Component),
		Why:    "the engine could not pull it: " + why.Error(),
		Remedy: "load it with `docker load`, or unset HADRILL_IMAGES and HADRILL_IMAGE_* to build from the distribution's packages",
		Cause:  ErrNoImage,
	}
}

// inspect looks an image up in the engine.
func (e *Engine) inspect(ctx context.Context, choice images.Choice) (info ImageInfo, found bool, err error) {
	result, err := e.client.ImageInspect(ctx, choice.Ref)
	if cerrdefs.IsNotFound(err) {
		return ImageInfo{}, false, nil
	}
	if err != nil {
		return ImageInfo{}, false, fmt.Errorf("inspect image %s: %w", choice.Ref, err)
	}
	info = ImageInfo{Component: choice.Component, Ref: choice.Ref, ID: result.ID, Origin: choice.Origin, Versions: map[string]string{}}
	if result.Config != nil {
		info.Drift, info.From = result.Config.Labels[LabelDrift], result.Config.Labels[LabelFrom]
		if text := result.Config.Labels[LabelVersions]; text != "" {
			if err := json.Unmarshal([]byte(text), &info.Versions); err != nil {
				return ImageInfo{}, false, fmt.Errorf("image %s: label %s: %w", choice.Ref, LabelVersions, err)
			}
		}
	}
	return info, true, nil
}

// has tells whether the engine has a reference.
func (e *Engine) has(ctx context.Context, ref string) (bool, error) {
	_, err := e.client.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// remove deletes an image reference; an image in use stays.
func (e *Engine) remove(ctx context.Context, ref string) error {
	_, err := e.client.ImageRemove(ctx, ref, client.ImageRemoveOptions{PruneChildren: true})
	if cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) {
		return nil
	}
	return err
}

// Substitutor lets testcontainers requests name components: "hadrill/redis"
// becomes the reference that [Engine.Image] returns for "redis". It builds
// nothing; call Image first. Other names pass unchanged.
func (e *Engine) Substitutor() testcontainers.ImageSubstitutor { return substitutor{} }

type substitutor struct{}

// Description implements testcontainers.ImageSubstitutor.
func (substitutor) Description() string {
	return "hadrill components (hadrill/redis becomes the image chosen for redis)"
}

// Substitute implements testcontainers.ImageSubstitutor.
func (substitutor) Substitute(image string) (string, error) {
	component, ours := strings.CutPrefix(image, "hadrill/")
	if !ours {
		return image, nil
	}
	choice, err := images.Choose(component, os.LookupEnv)
	return choice.Ref, err
}
