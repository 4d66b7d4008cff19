package faults

import (
	"context"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

func TestASignalThatNobodyCanHandleIsAnErrorAndNoOperation(t *testing.T) {
	s := newStage(t, 1)
	for name, want := range map[string]string{
		"KILL": "want the name of one that a process can handle",
		"NONE": "want the name of one that a process can handle",
	} {
		_, err := Signal(first, name).Inject(context.Background(), s.Field)
		require.ErrorContains(t, err, want)
	}
}

func TestASignalIsTakenAndANodeThatEndedOfItIsStartedAgain(t *testing.T) {
	s := newStage(t, 2)
	i := s.do(t, Signal(first, "SIGTERM"))
	require.Eventually(t, func() bool { // it stops answering a moment before it is gone
		found, err := s.env.Engine().Client().ContainerInspect(t.Context(), s.nodes[0].ContainerID(), client.ContainerInspectOptions{})
		return err == nil && !found.Container.State.Running
	}, 10*time.Second, 10*time.Millisecond, "it ends by itself")
	s.undo(t, i)
}

func TestASignalIsWrittenByItsName(t *testing.T) {
	schedule, err := Parse("at 1s signal nginx HUP")
	require.NoError(t, err)
	require.Equal(t, Signal(schedule[0].Fault.(signal).aim, "SIGHUP"), schedule[0].Fault)
	require.Equal(t, "at 1s signal nginx HUP", schedule.String())
	_, err = Parse("at 1s signal nginx hup")
	require.Error(t, err)
}
