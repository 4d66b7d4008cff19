package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Quiesce implements harness.Quiescer. Consumers are sent messages ahead, and
// what they hold is in no queue: so first all clients rest, which gives it
// back. Then every queue must have a leader that a majority follows, whose word
// is final by Raft's rules, and nothing given out any more: messages of a
// consumer that is gone come back only when the leader has heard so.
//
// With automatic acknowledgement nothing can be given back. What living
// consumers hold was delivered, and is not lost: whoever drains the queues is
// handed it. What a consumer held whose connection broke is lost.
func (r *Running) Quiesce(ctx context.Context) error {
	r.resting.Store(true)
	r.mu.Lock()
	users := make([]*user, 0, len(r.users))
	for u := range r.users {
		users = append(users, u)
	}
	r.mu.Unlock()
	for _, u := range users {
		for queue, values := range u.rest() {
			r.mu.Lock()
			r.left[queue] = append(r.left[queue], values...)
			r.mu.Unlock()
		}
	}
	return r.until(ctx, "quiesce", func() error {
		answers, errs := r.ask(ctx, settleLimit)
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if wrong := r.scattered(r.majority(), answers, errs); len(wrong) > 0 {
			return errors.New(strings.Join(wrong, "; "))
		}
		return r.givenOut(ctx)
	})
}

// majority is how many copies of a queue make its word final.
func (r *Running) majority() int {
	if r.declared.kind() == Classic {
		return 1
	}
	return len(r.nodes)/2 + 1
}

// givenOut says where messages are given out that nobody has acknowledged.
func (r *Running) givenOut(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	var errs []error
	for i, a := range r.askers {
		n, err := a.held(ctx)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d messages are still given out by the queues that %s leads", n, r.nodes[i].Name())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// handOver takes a value that a resting consumer left.
func (r *Running) handOver(queue uint64) (value int64, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	values := r.left[queue]
	if len(values) == 0 {
		return 0, false
	}
	r.left[queue] = values[1:]
	return values[0], true
}
