package components

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestALeaseHasOneHolderUntilItsTermIsOver(t *testing.T) {
	now := time.Unix(0, 0)
	a := &arbiter{term: time.Second, now: func() time.Time { return now }}
	for _, step := range []struct {
		after     time.Duration
		say, want string
	}{
		{0, "take east 1", "granted 1"},
		{500 * time.Millisecond, "take west 1", "refused 1"},
		{400 * time.Millisecond, "take east 2", "granted 2"},
		{900 * time.Millisecond, "take west 2", "refused 2"}, // a term since east asked last
		{200 * time.Millisecond, "take west 3", "granted 3"},
		{0, "take east 3", "refused 3"},
		{0, "drop east 4", "dropped 4"}, // not east's to give back
		{0, "take east 5", "refused 5"},
		{0, "drop west 4", "dropped 4"},
		{0, "take east 6", "granted 6"},
		{0, "give me that", ""},
		{0, "", ""},
	} {
		now = now.Add(step.after)
		require.Equal(t, step.want, a.decide(step.say), step.say)
	}
}
