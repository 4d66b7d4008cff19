package harness

import (
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnOwnerIsAliveOnlyAsTheSameProcess(t *testing.T) {
	owner, err := Owner()
	require.NoError(t, err)
	require.True(t, OwnerAlive(owner))
	require.False(t, OwnerAlive(owner+"1"), "same number, other start: another process")

	child := exec.Command("sleep", "30")
	require.NoError(t, child.Start())
	start, err := startTime(child.Process.Pid)
	require.NoError(t, err)
	label := strconv.Itoa(child.Process.Pid) + ":" + start
	require.True(t, OwnerAlive(label))
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.False(t, OwnerAlive(label))

	for _, broken := range []string{"", "12", "x:1", "-1:1", "0:0"} {
		require.False(t, OwnerAlive(broken), broken)
	}
}

func TestTheStartTimeIsFoundBehindAnyCommandName(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	for _, name := range []string{"(redis)", "(a b)", "(a) S 9 (b)", "())"} {
		start, err := parseStartTime("42 " + name + rest)
		require.NoError(t, err)
		require.Equal(t, "4711", start, name)
	}
	_, err := parseStartTime("42 (short) S 1 2")
	require.Error(t, err)
	_, err = parseStartTime("nothing")
	require.Error(t, err)
}
