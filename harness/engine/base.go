package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness/images"
)

const (
	// pullSilence is how long a registry may say nothing before the pull is
	// given up: a firewalled registry must not cost more than this.
	pullSilence = 10 * time.Second
	pullLimit   = 5 * time.Minute

	debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// bootstrapRef is the reference of a base made from the package mirror.
func bootstrapRef(suite string) string {
	return images.Registry + "/debian:" + suite + "-bootstrap"
}

// root finds or makes the plain Debian image that a base recipe builds FROM:
//
//	HADRILL_BASE -> debian:trixie-slim, present -> bootstrapped before
//	  -> pull debian:trixie-slim -> bootstrap from the package mirror
func (e *Engine) root(ctx context.Context, base images.Component, report reporter) (string, error) {
	suite := base.Release()
	if named := os.Getenv(base.RootKey()); named != "" {
		if here, err := e.has(ctx, named); here || err != nil {
			return named, err
		}
		if err := e.pull(ctx, named, report); err != nil {
			return "", absent(images.Choice{Component: base.Name, Ref: named}, err)
		}
		return named, nil
	}
	for _, ref := range []string{base.Official, bootstrapRef(suite)} {
		if here, err := e.has(ctx, ref); here || err != nil {
			return ref, err
		}
	}
	pullError := e.pull(ctx, base.Official, report)
	if pullError == nil {
		return base.Official, nil
	}
	if ctx.Err() != nil {
		return "", pullError
	}
	report.line("pull", "no registry ("+pullError.Error()+"); making the base from the package mirror")
	if err := e.bootstrap(ctx, base, report); err != nil {
		return "", err
	}
	return bootstrapRef(suite), nil
}

// pull fetches an image through the engine. It gives up when the registry is
// silent for [pullSilence].
func (e *Engine) pull(ctx context.Context, ref string, report reporter) error {
	ctx, cancel := context.WithTimeout(ctx, pullLimit)
	defer cancel()
	silent := errors.New("the registry did not answer in " + pullSilence.String())
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	watchdog := time.AfterFunc(pullSilence, func() { giveUp(silent) })
	defer watchdog.Stop()

	report.line("pull", ref)
	response, err := e.client.ImagePull(ctx, ref, client.ImagePullOptions{})
	if err != nil {
		return pullFailure(ctx, ref, err)
	}
	defer response.Close()
	for message, err := range response.JSONMessages(ctx) {
		if err != nil {
			return pullFailure(ctx, ref, err)
		}
		if message.Error != nil {
			return fmt.Errorf("pull %s: %s", ref, message.Error.Message)
		}
		watchdog.Reset(pullSilence)
		if message.Progress == nil {
			report.line("pull", strings.TrimSpace(message.ID+" "+message.Status))
		}
	}
	return nil
}

func pullFailure(ctx context.Context, ref string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("pull %s: %w", ref, err)
}

// bootstrap makes a minimal Debian from the package mirror with mmdebstrap(1)
// and streams it into the engine. Documentation, manuals and locales stay out,
// also of what later layers install; copyright files stay in.
func (e *Engine) bootstrap(ctx context.Context, base images.Component, report reporter) error {
	if err := canBootstrap(exec.LookPath, exists, base.RootKey()); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "mmdebstrap", bootstrapArguments(hostMirrors(ctx), base.Release())...)
	// Asked to end, mmdebstrap removes its temporary tree; killed, it cannot.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 15 * time.Second
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	archive, into := io.Pipe()
	talk := &lineWriter{report: report, stage: "bootstrap"}
	command.Stdout, command.Stderr = into, talk

	made := make(chan error, 1)
	go func() {
		err := command.Run()
		// A failed run must fail the import too: half a Debian is not a base.
		_ = into.CloseWithError(err)
		made <- err
	}()
	importError := e.importTar(ctx, archive, bootstrapRef(base.Release()), []string{
		"LABEL " + LabelImage + "=1", "LABEL " + LabelComponent + "=debian", `CMD ["/bin/sh"]`,
	})
	_ = archive.CloseWithError(errors.New("import ended"))
	if err := <-made; err != nil && ctx.Err() == nil && importError != nil {
		return &Problem{
			What:   "bootstrap the base image with mmdebstrap",
			Why:    talk.last() + " (" + err.Error() + ")",
			Remedy: "check that the package mirror in the host's apt sources answers and carries " + base.Release() + ", run as root, or load a Debian image and name it in " + base.RootKey(),
			Cause:  errors.Join(ErrNoImage, err),
		}
	}
	return importError
}

// canBootstrap checks for the tools before a minute is spent.
func canBootstrap(lookPath func(string) (string, error), exists func(string) bool, rootKey string) error {
	missing := ""
	if _, err := lookPath("mmdebstrap"); err != nil {
		missing = "mmdebstrap"
	} else if !exists(debianKeyring) {
		missing = "debian-archive-keyring"
	}
	if missing == "" {
		return nil
	}
	return &Problem{
		What:   "no base image, and no way to make one",
		Why:    "no registry is in reach and " + missing + " is not installed",
		Remedy: "run `hadrill setup` as root, or apt-get install " + missing + ", or load a Debian image and name it in " + rootKey,
		Cause:  ErrNoImage,
	}
}

func bootstrapArguments(mirrors mirrors, suite string) []string {
	arguments := []string{
		"--variant=apt",
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-include=/usr/share/doc/*/copyright",
		`--aptopt=Acquire::Languages "none"`,
	}
	if mirrors.ignoreExpiry {
		arguments = append(arguments, `--aptopt=Acquire::Check-Valid-Until "false"`)
	}
	arguments = append(arguments, suite, "-")
	return append(arguments, mirrors.lines(suite)...)
}

// importTar makes an image from a tar stream of a root file system.
func (e *Engine) importTar(ctx context.Context, archive io.Reader, ref string, changes []string) error {
	response, err := e.client.ImageImport(ctx, client.ImageImportSource{Source: archive, SourceName: "-"}, ref, client.ImageImportOptions{Changes: changes})
	if err != nil {
		return fmt.Errorf("import %s: %w", ref, err)
	}
	defer response.Close()
	if err := drain(response); err != nil {
		return fmt.Errorf("import %s: %w", ref, err)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
