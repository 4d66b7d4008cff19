package secure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMutualTLSThatCannotBeIsRefused(t *testing.T) {
	require.NoError(t, Mutual{}.filled().check())
	for field, m := range map[string]Mutual{
		"Lifetime": {Lifetime: time.Second},
		"Ahead":    {Lifetime: 5 * time.Second, Ahead: 5 * time.Second},
	} {
		assert.ErrorContains(t, m.filled().check(), field)
	}
}
