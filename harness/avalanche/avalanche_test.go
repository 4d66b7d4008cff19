package avalanche

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestADeclarationIsCheckedFieldByField(t *testing.T) {
	sound := Cached{Items: 4, Query: 200 * time.Millisecond, Fresh: time.Minute}
	require.NoError(t, sound.check())
	for field, spoil := range map[string]func(*Cached){
		"Items": func(c *Cached) { c.Items = 0 },
		"Query": func(c *Cached) { c.Query = 0 },
		"Fresh": func(c *Cached) { c.Fresh = 0 },
	} {
		bad := sound
		spoil(&bad)
		assert.ErrorContains(t, bad.check(), field)
	}
}
