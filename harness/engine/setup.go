package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/harness/images"
)

// SetupOptions says what [Setup] makes ready. The zero value means everything.
type SetupOptions struct {
	// Components to build; nil means all that have a recipe.
	Components []string
	// NoInstall forbids installing packages and starting the engine.
	NoInstall bool
	// NoImages stops after the engine answers.
	NoImages bool
}

// Setup makes this machine ready to run drills: the engine is found, or
// installed and started; the base image is found, pulled or bootstrapped; the
// component images are built, some at a time; and the image of this program
// is made. Each step is skipped when it has been done, so a second Setup takes
// a few calls to the engine and well under a second.
//
// Installing and starting need root and Debian or Ubuntu. Elsewhere the error
// wraps [ErrNoEngine] and says what to install. progress receives each step;
// it may be nil.
func Setup(ctx context.Context, options SetupOptions, progress Progress) error {
	return setup(ctx, thisHost(), options, progress)
}

func setup(ctx context.Context, on host, options SetupOptions, progress Progress) error {
	progress = progress.serial()
	report := progress.of("engine")
	engine, err := on.engine(ctx, options, report)
	report.done(err)
	if err != nil {
		return err
	}
	defer engine.Close()
	if options.NoImages {
		return nil
	}
	if !options.NoInstall {
		if err := on.bootstrapTools(ctx, engine, progress.of(images.BaseComponent)); err != nil {
			return err
		}
	}
	components := options.Components
	if components == nil {
		for _, component := range images.Components() {
			components = append(components, component.Name)
		}
	}
	return engine.makeAll(ctx, components, progress)
}

// makeAll makes all images ready, as many at a time as there are processors.
// The first failure stops the rest: what is missing once is missing for all.
func (e *Engine) makeAll(ctx context.Context, components []string, progress Progress) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.NumCPU()))
	group.Go(func() error {
		report := progress.of(selfComponent)
		_, err := e.Self(ctx)
		report.done(err)
		return err
	})
	for _, component := range components {
		group.Go(func() error {
			info, err := e.Image(ctx, component, progress)
			if err == nil {
				progress.of(component).send(Event{Stage: "ready", Line: info.Ref, Done: true})
			}
			return err
		})
	}
	return group.Wait()
}

// bootstrapTools installs what the base image is made with, if it will have to
// be made and this host can install.
func (h host) bootstrapTools(ctx context.Context, engine *Engine, report reporter) error {
	base, err := images.Choose(images.BaseComponent, os.LookupEnv)
	if err != nil {
		return err
	}
	official, err := images.Lookup(images.BaseComponent)
	if err != nil {
		return err
	}
	if os.Getenv("HADRILL_BASE") != "" {
		return nil
	}
	for _, ref := range []string{base.Ref, official.Official, bootstrapRef(images.Suite)} {
		if here, err := engine.has(ctx, ref); here || err != nil {
			return err
		}
	}
	if canBootstrap(h.lookPath, h.exists, official.RootKey()) == nil || h.mayInstall() != nil {
		return nil // if nothing helps, making the base says what is missing
	}
	return h.install(ctx, report)
}

// engine finds the engine, or installs and starts it.
func (h host) engine(ctx context.Context, options SetupOptions, report reporter) (*Engine, error) {
	report.line("find", "looking for a running container engine")
	found, err := connect(ctx, h.sockets)
	if err == nil || !errors.Is(err, ErrNoEngine) {
		return found, err
	}
	if options.NoInstall {
		return nil, err
	}
	if err := h.bringUp(ctx, report); err != nil {
		return nil, err
	}
	return connect(ctx, h.sockets)
}

// bringUp gets a daemon to answer on the host's first socket.
func (h host) bringUp(ctx context.Context, report reporter) error {
	if len(h.sockets) == 0 || h.sockets[0] != "unix://"+h.socket {
		return &Problem{
			What:   "the engine named by DOCKER_HOST does not answer",
			Why:    "hadrill starts an engine on " + h.socket + " only",
			Remedy: "start that engine, or unset DOCKER_HOST",
			Cause:  ErrNoEngine,
		}
	}
	if _, err := h.lookPath("dockerd"); err != nil {
		if err := h.mayInstall(); err != nil {
			return err
		}
		if err := h.install(ctx, report); err != nil {
			return err
		}
	}
	if h.euid != 0 {
		return &Problem{
			What:   "the container engine is installed but does not answer",
			Why:    "starting it needs root",
			Remedy: "run `hadrill setup` as root, or start it: systemctl start docker",
			Cause:  ErrNoEngine,
		}
	}
	if ping(ctx, h.socket) == nil {
		return nil // installing the package started it
	}
	if err := h.start(ctx, report); err != nil {
		return fmt.Errorf("start the container engine: %w", err)
	}
	return nil
}
