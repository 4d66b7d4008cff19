package components_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/components"
)

func TestALockerRefusesWhatItCannotKeep(t *testing.T) {
	sound := []string{"HADRILL_NODE=w", "HADRILL_ETCD=10.213.0.11:2379"}
	for setting, want := range map[string]string{
		"HADRILL_FENCING=perhaps": `HADRILL_FENCING="perhaps": want "on" or "off"`,
		"HADRILL_LEASE=1500ms":    `HADRILL_LEASE="1.5s": want whole seconds`,
		"HADRILL_LEASE=0s":        `HADRILL_LEASE="0s": want whole seconds`,
		"HADRILL_WORK=long":       `HADRILL_WORK="long": want a duration such as "20ms"`,
		"HADRILL_ETCD=":           `HADRILL_ETCD="": want a value`,
		"HADRILL_LATENCY=1ms":     `HADRILL_LATENCY: this component has no such setting`,
	} {
		var said strings.Builder
		require.Equal(t, 64, components.Main("locker", append(sound, setting), &said), setting)
		require.Contains(t, said.String(), want)
	}
}
