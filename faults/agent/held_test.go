package agent

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/faults/impair"
)

// retransmitted counts the TCP segments that a node has sent again
// (/proc/PID/net/snmp, RetransSegs).
func retransmitted(t *testing.T, r *room, n testNode) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/snmp", r.state(t, n).Pid))
	require.NoError(t, err)
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			if name == "RetransSegs" {
				count, err := strconv.Atoi(fields[i])
				require.NoError(t, err)
				return count
			}
		}
	}
	t.Fatal("the kernel does not count segments that were sent again")
	return 0
}

// A packet that is held for a delay is not lost because another fault of the
// node is healed meanwhile. A lost one would be sent again after a second.
func TestHealingOneFaultSparesThePacketsThatAnotherHolds(t *testing.T) {
	r := newRoom(t, 3)
	ctx := within(t, time.Minute)
	held, from, cutOff := r.nodes[0], r.nodes[1], r.nodes[2]
	late, err := r.agent.Inject(ctx, Command{Action: ActionImpair, Container: held.id,
		Params: ImpairParams{From: []string{from.id}, Impairment: impair.Impairment{Delay: 400 * time.Millisecond}, By: "queue"}})
	require.NoError(t, err)
	_, err = late.Effective(ctx)
	require.NoError(t, err)
	spared := false
	for attempt := 0; attempt < 3 && !spared; attempt++ { // on a busy machine even a second may pass by itself
		cut, err := r.agent.Inject(ctx, Command{Action: ActionCut, Container: held.id, Params: CutParams{From: []string{cutOff.id}}})
		require.NoError(t, err)
		_, err = cut.Effective(ctx)
		require.NoError(t, err)
		require.False(t, cutOff.sees(held))

		before := retransmitted(t, r, from)
		answer := make(chan string, 1)
		go func() {
			text, _ := from.ask("dial "+held.endpoint()+" 5000", 10*time.Second)
			answer <- text
		}()
		time.Sleep(150 * time.Millisecond) // the first packet is held now
		require.NoError(t, cut.Heal(ctx))
		_, err = cut.Healed(ctx)
		require.NoError(t, err)
		require.Equal(t, "ok", <-answer)
		spared = retransmitted(t, r, from) == before
		require.True(t, cutOff.sees(held), "and the cut is healed")
	}
	require.True(t, spared, "the held packet was lost and sent again, each time")
	require.NoError(t, late.Heal(ctx))
	left, err := r.agent.Audit(ctx)
	require.NoError(t, err)
	require.Empty(t, left)
}
