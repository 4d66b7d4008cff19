package harness

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// fixed is a system that says what it is told to.
type fixed struct {
	nodes   []*Node
	beliefs []Belief
}

func (f fixed) Nodes() []*Node                   { return f.nodes }
func (f fixed) Beliefs(context.Context) []Belief { return f.beliefs }

// mute is a system that does not report roles.
type mute struct{ nodes []*Node }

func (m mute) Nodes() []*Node { return m.nodes }

func TestSelectorsPickByWhatIsTrueNow(t *testing.T) {
	a, b, c := &Node{name: "a", zone: "east"}, &Node{name: "b", zone: "west"}, &Node{name: "c", zone: "west"}
	sys := fixed{nodes: []*Node{a, b, c}, beliefs: []Belief{{Node: "a", Self: Primary}, {Node: "b", Self: Primary}, {Node: "c", Self: Unknown}}}
	for _, test := range []struct {
		selector Selector
		text     string
		want     []*Node // nil: an error, never an empty success
	}{
		{Primary, "primary", []*Node{a, b}}, // two believers are two targets
		{Replica, "replica", nil},
		{Unknown, "unknown", []*Node{c}},
		{Named("c", "a"), "c,a", []*Node{c, a}},
		{Named("d"), "d", nil},
		{Named(), "", nil},
		{InZone("west"), "zone:west", []*Node{b, c}},
		{InZone("north"), "zone:north", nil},
		{Except(Primary), "not primary", []*Node{c}},
		{Except(Named("a", "b", "c")), "not a,b,c", nil},
		{Except(Replica), "not replica", nil},
	} {
		got, err := test.selector.Select(context.Background(), sys)
		require.Equal(t, test.text, test.selector.String())
		if test.want == nil {
			require.Error(t, err, test.text)
			continue
		}
		require.NoError(t, err, test.text)
		require.Equal(t, test.want, got, test.text)
	}
}

func TestARoleOfASystemThatReportsNoneIsAnError(t *testing.T) {
	_, err := Primary.Select(context.Background(), mute{[]*Node{{name: "a"}}})
	require.ErrorContains(t, err, "does not report roles")
}

func TestTheSameSeedPicksTheSameNode(t *testing.T) {
	sys := mute{}
	for i := range 7 {
		sys.nodes = append(sys.nodes, &Node{name: fmt.Sprint(i)})
	}
	all := Named("0", "1", "2", "3", "4", "5", "6")
	picked := map[string]bool{}
	for seed := range uint64(64) {
		first, err := Random(seed, all).Select(context.Background(), sys)
		require.NoError(t, err)
		again, err := Random(seed, all).Select(context.Background(), sys)
		require.NoError(t, err)
		require.Equal(t, first, again)
		require.Len(t, first, 1)
		picked[first[0].Name()] = true
	}
	require.Len(t, picked, 7, "64 seeds reach every node")
}

func TestDefiniteSurvivesWrappingAndNothingElseIsDefinite(t *testing.T) {
	refused := errors.New("refused")
	require.True(t, IsDefinite(Definite(refused)))
	require.True(t, IsDefinite(fmt.Errorf("add: %w", Definite(refused))))
	require.ErrorIs(t, Definite(refused), refused)
	require.False(t, IsDefinite(refused))
	require.False(t, IsDefinite(fmt.Errorf("add: %w", refused)))
	require.False(t, IsDefinite(nil))
	require.NoError(t, Definite(nil))
}

// late is a system whose node answers from the n-th question on.
type late struct {
	node *Node
	n    *int
}

func (l late) Nodes() []*Node { return []*Node{l.node} }
func (l late) Beliefs(context.Context) []Belief {
	if *l.n--; *l.n > 0 {
		return []Belief{{Node: l.node.name, Self: Unknown}}
	}
	return []Belief{{Node: l.node.name, Self: Primary}}
}

func TestALateAnswerIsNotTheLossOfARole(t *testing.T) {
	node, questions := &Node{name: "a"}, 3
	got, err := Primary.Select(t.Context(), late{node, &questions})
	require.NoError(t, err)
	require.Equal(t, []*Node{node}, got)

	questions = 1000
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Primary.Select(ended, late{node, &questions})
	require.ErrorContains(t, err, "no node plays this role")
	require.Equal(t, 999, questions, "a context that has ended is not waited for")
}
