package mysql

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestASlowAnswerIsWaitedForByTheNextWhoAsks(t *testing.T) {
	defer goleak.VerifyNone(t)
	asked, release := make(chan struct{}, 9), make(chan int)
	q := newQuestion(func(ctx context.Context) (int, error) {
		asked <- struct{}{}
		select {
		case n := <-release:
			return n, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := q.answer(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	got := make(chan int)
	go func() {
		n, _ := q.answer(t.Context())
		got <- n
	}()
	time.Sleep(10 * time.Millisecond)
	release <- 7
	require.Equal(t, 7, <-got)
	require.Len(t, asked, 1, "the server was asked once")

	_, err = q.answer(short)
	require.Error(t, err)
	<-asked
	<-asked
	q.stop()
	_, err = q.answer(t.Context())
	require.ErrorIs(t, err, context.Canceled, "nothing is asked of a stopped one")
	q.stop()
}
