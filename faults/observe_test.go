package faults

import (
	"strconv"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

func number(t *testing.T, text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return n
}

func stateOf(t *testing.T, s *stage, i int) *container.State {
	found, err := s.env.Engine().Client().ContainerInspect(t.Context(), s.nodes[i].ContainerID(), client.ContainerInspectOptions{})
	require.NoError(t, err)
	return found.Container.State
}

func oomKilled(t *testing.T, s *stage, i int) bool { return stateOf(t, s, i).OOMKilled }

func startsOf(t *testing.T, s *stage, i int) string { return stateOf(t, s, i).StartedAt }
