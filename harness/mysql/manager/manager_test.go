package manager

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func settings(t *testing.T, servers, acks int) Settings {
	s := Settings{Acks: acks, DownAfter: time.Second, Poll: time.Second, Heartbeat: time.Second, StateFile: filepath.Join(t.TempDir(), "decision.json")}
	for i := range servers {
		s.Servers = append(s.Servers, Server{"mysql-" + string(rune('1'+i)), netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)}), 1)})
	}
	return s
}

// With n replicas of which a acknowledge, n-a+1 stopped ones leave fewer than
// a, and every acknowledged commit is on one of them.
func TestTheFenceLeavesTooFewToAcknowledge(t *testing.T) {
	for _, c := range []struct{ replicas, acks, want int }{
		{1, 0, 1}, {2, 0, 1}, {1, 1, 1}, {2, 1, 2}, {2, 2, 1}, {4, 1, 4}, {4, 2, 3}, {4, 4, 1},
	} {
		m, err := New(settings(t, c.replicas+1, c.acks))
		require.NoError(t, err)
		for range c.replicas + 1 {
			m.servers = append(m.servers, &server{})
		}
		assert.Equal(t, c.want, m.fence(), "%+v", c)
		if c.acks > 0 {
			assert.Less(t, c.replicas-m.fence(), c.acks, "those left cannot acknowledge: %+v", c)
		}
	}
}

func TestADecisionOutlivesItsManager(t *testing.T) {
	s := settings(t, 3, 1)
	m, err := New(s)
	require.NoError(t, err)
	_, decided := m.Decision()
	require.False(t, decided)
	require.NoError(t, m.decide(&server{Server: s.Servers[0]}))
	require.NoError(t, m.decide(&server{Server: s.Servers[2]}))

	again, err := New(s)
	require.NoError(t, err)
	d, decided := again.Decision()
	require.True(t, decided)
	require.Equal(t, Decision{Term: 2, Primary: "mysql-3", Addr: s.Servers[2].Addr}, d)

	require.NoError(t, os.WriteFile(s.StateFile, []byte("{"), 0o644))
	_, err = New(s)
	require.ErrorContains(t, err, "last decision", "half a decision is not taken for none")
}

func TestSettingsThatCannotBeMeantAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Settings){
		"at least one replica": func(s *Settings) { s.Servers = s.Servers[:1] },
		"acknowledgements":     func(s *Settings) { s.Acks = 3 },
		"above zero":           func(s *Settings) { s.Poll = 0 },
	} {
		s := settings(t, 3, 1)
		change(&s)
		_, err := New(s)
		assert.ErrorContains(t, err, want)
	}
}

func TestWhatAReplicaHasIsWhatItReceivedOrExecuted(t *testing.T) {
	s := &server{seen: seen{executed: "a:1-5,\nb:1", replica: map[string]string{"Retrieved_Gtid_Set": "a:3-9"}}}
	assert.Equal(t, "a:1-5,b:1,a:3-9", s.has())
	assert.Equal(t, "", (&server{}).has())
}

// Silence alone is not enough: a manager that was frozen itself has asked
// nobody, and finds everybody silent.
func TestAPrimaryIsDeadAfterSilenceAndTwoMissedQuestions(t *testing.T) {
	for name, c := range map[string]struct {
		heard, since time.Duration // ago
		misses       int
		want         bool
	}{
		"silent, and asked twice":               {2 * time.Second, time.Minute, 2, true},
		"refuses for a moment":                  {500 * time.Millisecond, time.Minute, 5, false},
		"the manager was away":                  {time.Minute, time.Minute, 1, false},
		"never answered since it was appointed": {time.Hour, 2 * time.Second, 10, true},
		"just appointed":                        {time.Hour, 500 * time.Millisecond, 10, false},
	} {
		m, err := New(settings(t, 3, 1))
		require.NoError(t, err)
		m.began = time.Now().Add(-24 * time.Hour)
		m.since = m.now() - c.since
		assert.Equal(t, c.want, m.due(seen{heard: m.now() - c.heard, misses: c.misses}), name)
	}
}

// What was seen before an action ended does not show what it did.
func TestNothingIsDoneAboutWhatWasSeenBeforeTheLastActionEnded(t *testing.T) {
	m, err := New(settings(t, 3, 1))
	require.NoError(t, err)
	s := &server{}
	acted := 0
	act := func() {
		m.act(t.Context(), s, time.Minute, func(context.Context) error { acted++; return nil })
		m.work.Wait()
	}
	s.seen.asked = m.now()
	act()
	require.Equal(t, 1, acted)
	act()
	require.Equal(t, 1, acted, "it was last looked at before")
	s.seen.asked = m.now()
	act()
	require.Equal(t, 2, acted)
}

func TestWhatFailsIsTriedAgainLessAndLessOften(t *testing.T) {
	m, err := New(settings(t, 3, 1))
	require.NoError(t, err)
	s := &server{}
	outcome, acted := errors.New("no room"), 0
	act := func(after time.Duration) {
		s.seen.asked = time.Duration(s.done.Load()) + after
		m.act(t.Context(), s, time.Minute, func(context.Context) error { acted++; return outcome })
		m.work.Wait()
	}
	act(time.Millisecond)
	act(40 * time.Millisecond)
	require.Equal(t, 1, acted, "too soon after the first failure")
	act(60 * time.Millisecond)
	act(60 * time.Millisecond)
	require.Equal(t, 2, acted, "too soon after the second")
	for range 20 {
		act(3 * time.Second)
	}
	require.Equal(t, 22, acted, "but never later than in two seconds")
	outcome = nil
	act(3 * time.Second)
	act(time.Millisecond)
	require.Equal(t, 24, acted, "what has succeeded is not held up")
}

func TestTextIsQuotedSoThatItStaysText(t *testing.T) {
	assert.Equal(t, "'a:1-5,b:1'", quote("a:1-5,\nb:1"))
	assert.Equal(t, "'x OR 1=1'", quote(`x' OR 1=\1`))
}
