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

// A request that meets a replica which is still away waits in vain for as long
// as it takes to connect: one in a while may, not all of that moment.
func TestAReplicaThatWasAwayIsTriedByOneRequestAtATime(t *testing.T) {
	primary, gone := netip.MustParseAddrPort("10.0.0.1:3306"), netip.MustParseAddrPort("10.0.0.2:3306")
	r := &reader{database: &database{order: []netip.AddrPort{primary, gone}, primary: primary}, away: map[netip.AddrPort]time.Time{}}
	asked := func() (n int) {
		for range 10 {
			if _, ok := r.next(); ok {
				n++
			}
		}
		return n
	}
	require.Equal(t, 10, asked(), "nothing speaks against it")
	r.leave(gone)
	require.Zero(t, asked(), "it did not answer")
	r.away[gone] = time.Now().Add(-time.Second)
	require.Equal(t, 1, asked(), "its time is over")
	r.welcome(gone)
	require.Equal(t, 10, asked(), "it answered")
}
