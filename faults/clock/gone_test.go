package clock

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// A node may run programs that live for milliseconds, such as its own checks:
// one that ends while it is looked at is not damaged.
func TestAProcessThatEndsWhileItIsLookedAtIsGone(t *testing.T) {
	if testing.Short() {
		t.Skip("reads another process")
	}
	sleeper := exec.Command(os.Args[0], "-test.run=^$", "-test.v")
	sleeper.Env = append(os.Environ(), "HADRILL_TEST_WITNESS=1") // answers on its input until it ends
	in, err := sleeper.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, sleeper.Start())
	im, err := open(sleeper.Process.Pid)
	require.NoError(t, err)
	defer func() { require.NoError(t, im.mem.Close()) }()
	require.NoError(t, in.Close())
	require.NoError(t, sleeper.Wait())

	_, err = im.patched()
	require.True(t, gone(err), "%v", err)
	yes, err := Patched(sleeper.Process.Pid)
	require.NoError(t, err)
	require.False(t, yes)
}
