package agent

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plainIce is ice over a plain file: it reads back what was written, as a
// freezer that acts at once would.
func plainIce(t *testing.T) (*ice, func() string) {
	dir := t.TempDir()
	state := filepath.Join(dir, "freezer.state")
	require.NoError(t, os.WriteFile(state, []byte("THAWED"), 0o600))
	return &ice{freezer: freezer{dir, false}, holders: map[string]bool{}}, func() string {
		text, err := os.ReadFile(state)
		require.NoError(t, err)
		return string(text)
	}
}

func TestANodeIsFrozenAsLongAsAnybodyHoldsIt(t *testing.T) {
	i, state := plainIce(t)
	require.NoError(t, i.hold("a"))
	require.NoError(t, i.hold("b"))
	require.NoError(t, i.hold("b"), "holding twice is holding once")
	require.NoError(t, i.release("a"))
	assert.Equal(t, "FROZEN", state())
	_, detail, err := i.thawed(t.Context())
	require.NoError(t, err)
	assert.Contains(t, detail, "another fault")
	require.NoError(t, i.release("b"))
	assert.Equal(t, "THAWED", state())
	_, detail, err = i.thawed(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "THAWED", detail)

	require.NoError(t, i.hold("a"))
	require.NoError(t, i.melt())
	assert.Equal(t, "THAWED", state(), "who dies is held by nobody")
}

func TestAPauseOutlastsThePatchOfAClockThatItBeganUnder(t *testing.T) {
	i, state := plainIce(t)
	thaw, err := clocks{ice: i}.Freeze(t.Context())
	require.NoError(t, err)
	require.NoError(t, i.hold("pause"))
	require.NoError(t, thaw())
	assert.Equal(t, "FROZEN", state())

	thaw, err = clocks{ice: i}.Freeze(t.Context())
	require.NoError(t, err)
	require.NoError(t, i.release("pause"))
	assert.Equal(t, "FROZEN", state(), "the patch is still being made")
	require.NoError(t, thaw())
	assert.Equal(t, "THAWED", state())
}

func TestALostHoldIsReleasedByTheNextAgent(t *testing.T) {
	i, state := plainIce(t)
	require.NoError(t, os.WriteFile(filepath.Join(i.dir, "freezer.state"), []byte("FROZEN"), 0o600))
	require.NoError(t, i.release("of an agent that is dead"))
	assert.Equal(t, "THAWED", state())
}

func TestAFreezeThatNeverComesIsTakenBack(t *testing.T) {
	i, state := plainIce(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	// A freezer whose state nobody can read as frozen.
	i.unified = true
	require.NoError(t, os.WriteFile(filepath.Join(i.dir, "cgroup.events"), []byte("frozen 0\n"), 0o600))
	_, err := clocks{ice: i}.Freeze(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.False(t, i.held())
	text, err := os.ReadFile(filepath.Join(i.dir, "cgroup.freeze"))
	require.NoError(t, err)
	assert.Equal(t, "0", string(text))
	assert.Equal(t, "THAWED", state())
}

func TestAFreezerThatIsStuckIsAskedAgain(t *testing.T) {
	i, state := plainIce(t)
	require.NoError(t, i.hold("pause"))
	file := filepath.Join(i.dir, "freezer.state")
	require.NoError(t, os.WriteFile(file, []byte("FREEZING"), 0o600))
	_, _, err := i.frozen(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "FROZEN", state())

	require.NoError(t, i.release("pause"))
	_, _, err = i.frozen(t.Context())
	assert.ErrorContains(t, err, "nobody freezes", "what was healed is not frozen again")
	assert.Equal(t, "THAWED", state())
}
