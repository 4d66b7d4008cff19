package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
)

// Recover heals and removes what is left of a run whose agent was killed: a
// fresh agent reads the undo record that the dead one left in the run's volume.
// An agent that is still at work for a dead owner is waited for; one that
// serves a living owner is ended.
func Recover(ctx context.Context, eng *engine.Engine, run string) error {
	if err := endServing(ctx, eng.Client(), run); err != nil {
		return fmt.Errorf("recover run %s: %w", run, err)
	}
	image, err := eng.Self(ctx)
	if err != nil {
		return fmt.Errorf("recover run %s: %w", run, err)
	}
	if err := cleanRun(ctx, eng.Client(), eng.Socket(), run, image.Ref); err != nil {
		return fmt.Errorf("recover run %s: %w", run, err)
	}
	return nil
}

// RecoverAll recovers every run that has left an agent behind and whose owner
// is dead; with force also those whose owner lives.
func RecoverAll(ctx context.Context, eng *engine.Engine, force bool) error {
	filter := make(client.Filters).Add("label", harness.LabelRole+"="+rolePart)
	found, err := eng.Client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return fmt.Errorf("list agents: %w", err)
	}
	var runs []string
	for _, c := range found.Items {
		run := c.Labels[harness.LabelRun]
		if slices.Contains(runs, run) || run == "" || !force && ownerAlive(c.Labels[harness.LabelOwner]) {
			continue
		}
		runs = append(runs, run)
	}
	var errs []error
	for _, run := range runs {
		errs = append(errs, Recover(ctx, eng, run))
	}
	return errors.Join(errs...)
}

// endServing returns when no agent of the run works any more.
func endServing(ctx context.Context, engine *client.Client, run string) error {
	filter := make(client.Filters).Add("label", harness.LabelRun+"="+run, harness.LabelRole+"="+rolePart)
	running, err := engine.ContainerList(ctx, client.ContainerListOptions{Filters: filter})
	if err != nil {
		return fmt.Errorf("list agents: %w", err)
	}
	for _, c := range running.Items {
		if !ownerAlive(c.Labels[harness.LabelOwner]) {
			continue
		}
		if _, err := engine.ContainerKill(ctx, c.ID, client.ContainerKillOptions{Signal: "KILL"}); err != nil && !gone(err) {
			return fmt.Errorf("end agent %.12s: %w", c.ID, err)
		}
	}
	watchAgent(ctx, engine, run)
	return nil
}

// ownerAlive tells whether the process that an owner label ("pid:starttime",
// see harness.Owner) names still runs.
func ownerAlive(label string) bool {
	pid, start, ok := strings.Cut(label, ":")
	if !ok || pid == "" {
		return false
	}
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	// Field 22, counted from behind the command's name, which is in
	// parentheses and may hold anything (proc(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return len(fields) > 19 && fields[19] == start
}
