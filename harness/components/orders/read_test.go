package orders

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReadsGoToReplicasInTurnAndPastThoseThatDoNotAnswer(t *testing.T) {
	primary, one, two := netip.MustParseAddrPort("10.0.0.1:3306"), netip.MustParseAddrPort("10.0.0.2:3306"), netip.MustParseAddrPort("10.0.0.3:3306")
	d, err := openDatabase([]netip.AddrPort{primary, one, two}, netip.AddrPort{}, func(string) {})
	require.NoError(t, err)
	defer func() { require.NoError(t, d.close()) }()
	r := &reader{database: d, away: map[netip.AddrPort]time.Time{}}
	count := map[netip.AddrPort]int{}
	for range 10 {
		at, ok := r.next()
		require.True(t, ok)
		count[at]++
	}
	require.Equal(t, map[netip.AddrPort]int{one: 5, two: 5}, count, "the primary is for writes")
	r.leave(one)
	for range 4 {
		at, ok := r.next()
		require.True(t, ok)
		require.Equal(t, two, at)
	}
	r.leave(two)
	_, ok := r.next()
	require.False(t, ok, "then the primary it is")
}

func TestOrdersAreWrittenAsRowsAndAsIds(t *testing.T) {
	all := []Order{{ID: 3, Job: 30}, {ID: 4, Job: 40}}
	text, args := values(all)
	require.Equal(t, "(?, ?), (?, ?)", text)
	require.Equal(t, []any{uint64(3), uint64(30), uint64(4), uint64(40)}, args)
	require.Equal(t, "3, 4", ids(all))
}
