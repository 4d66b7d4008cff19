package agent

import (
	"context"
	"errors"
	"fmt"
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

// RecoverAll recovers every run that has left an agent or its disks behind and
// whose owner is dead; with force also those whose owner lives.
func RecoverAll(ctx context.Context, eng *engine.Engine, force bool) error {
	filter := make(client.Filters).Add("label", harness.LabelRole+"="+rolePart)
	found, err := eng.Client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return fmt.Errorf("list agents: %w", err)
	}
	// Its disks are mounted: nobody can just remove the volume they lie in.
	volumes, err := eng.Client().VolumeList(ctx, client.VolumeListOptions{Filters: filter})
	if err != nil {
		return fmt.Errorf("list volumes of agents: %w", err)
	}
	var labels []map[string]string
	for _, c := range found.Items {
		labels = append(labels, c.Labels)
	}
	for _, v := range volumes.Items {
		labels = append(labels, v.Labels)
	}
	var runs []string
	for _, l := range labels {
		run := l[harness.LabelRun]
		if slices.Contains(runs, run) || run == "" || !force && harness.OwnerAlive(l[harness.LabelOwner]) {
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
		if !harness.OwnerAlive(c.Labels[harness.LabelOwner]) {
			continue
		}
		if _, err := engine.ContainerKill(ctx, c.ID, client.ContainerKillOptions{Signal: "KILL"}); err != nil && !gone(err) && !strings.Contains(err.Error(), "is not running") {
			return fmt.Errorf("end agent %.12s: %w", c.ID, err)
		}
	}
	watchAgent(ctx, engine, run)
	return nil
}
