package load

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/hadrill/hadrill/harness"
)

// stores is a correct system in memory with the other capabilities. Every
// call is one critical section, so it is strictly serializable.
type stores struct {
	*fake
	lists    map[uint64][]int64
	values   map[uint64]int64
	accounts map[uint64]int64
	queues   map[uint64][]int64
	locks    map[uint64]*storesUser
	tokens   map[uint64]int64
	effects  []harness.JobEffect
	pending  int // answers of Pending before it is 0
}

func newStores() *stores {
	return &stores{fake: newFake(), lists: map[uint64][]int64{}, values: map[uint64]int64{}, accounts: map[uint64]int64{},
		queues: map[uint64][]int64{}, locks: map[uint64]*storesUser{}, tokens: map[uint64]int64{}}
}

// storesUser is a user of any of the capabilities.
type storesUser struct {
	s    *stores
	once sync.Once
}

func (s *stores) user() *storesUser {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	return &storesUser{s: s}
}

func (s *stores) OpenTransactions(context.Context, harness.Vantage) (harness.TransactionClient, error) {
	return s.user(), nil
}
func (s *stores) OpenBank(context.Context, harness.Vantage) (harness.BankClient, error) {
	return s.user(), nil
}
func (s *stores) OpenQueue(context.Context, harness.Vantage) (harness.QueueClient, error) {
	return s.user(), nil
}
func (s *stores) OpenLocks(context.Context, harness.Vantage) (harness.LockClient, error) {
	return s.user(), nil
}
func (s *stores) OpenJobs(context.Context, harness.Vantage) (harness.JobClient, error) {
	return s.user(), nil
}

func (u *storesUser) Close() error {
	u.once.Do(func() {
		u.s.mu.Lock()
		defer u.s.mu.Unlock()
		u.s.closed++
	})
	return nil
}

func (u *storesUser) Transact(ctx context.Context, steps []harness.Step) error {
	if err := u.s.pass(ctx); err != nil {
		return err
	}
	defer u.s.mu.Unlock()
	for i := range steps {
		switch st := &steps[i]; st.Kind {
		case harness.StepAppend:
			u.s.lists[st.Key] = append(u.s.lists[st.Key], st.Value)
		case harness.StepReadList:
			st.Values = slices.Clone(u.s.lists[st.Key])
		case harness.StepWrite:
			u.s.values[st.Key] = st.Value
		case harness.StepRead:
			st.Value, st.Found = u.s.values[st.Key]
		}
	}
	return nil
}

func (u *storesUser) Create(ctx context.Context, accounts []uint64, balance int64) error {
	if err := u.s.pass(ctx); err != nil {
		return err
	}
	defer u.s.mu.Unlock()
	for _, a := range accounts {
		u.s.accounts[a] = balance
	}
	return nil
}

func (u *storesUser) Transfer(ctx context.Context, from, to uint64, amount int64) error {
	if err := u.s.pass(ctx); err != nil {
		return err
	}
	defer u.s.mu.Unlock()
	if u.s.accounts[from] < amount {
		return harness.Definite(errors.New("insufficient funds"))
	}
	u.s.accounts[from] -= amount
	u.s.accounts[to] += amount
	return nil
}

func (u *storesUser) Balances(ctx context.Context, accounts []uint64) ([]int64, error) {
	if err := u.s.pass(ctx); err != nil {
		return nil, err
	}
	defer u.s.mu.Unlock()
	all := make([]int64, len(accounts))
	for i, a := range accounts {
		all[i] = u.s.accounts[a]
	}
	return all, nil
}

func (u *storesUser) Enqueue(ctx context.Context, queue uint64, value int64) error {
	if err := u.s.pass(ctx); err != nil {
		return err
	}
	defer u.s.mu.Unlock()
	u.s.queues[queue] = append(u.s.queues[queue], value)
	return nil
}

func (u *storesUser) Dequeue(ctx context.Context, queue uint64) (int64, bool, error) {
	if err := u.s.pass(ctx); err != nil {
		return 0, false, err
	}
	defer u.s.mu.Unlock()
	q := u.s.queues[queue]
	if len(q) == 0 {
		return 0, false, nil
	}
	u.s.queues[queue] = q[1:]
	return q[0], true, nil
}

func (u *storesUser) Acquire(ctx context.Context, lock uint64) (int64, bool, error) {
	if err := u.s.pass(ctx); err != nil {
		return 0, false, err
	}
	defer u.s.mu.Unlock()
	if u.s.locks[lock] != nil {
		return 0, false, nil
	}
	u.s.locks[lock] = u
	u.s.tokens[lock]++
	return u.s.tokens[lock], true, nil
}

func (u *storesUser) Release(ctx context.Context, lock uint64) error {
	if err := u.s.pass(ctx); err != nil {
		return err
	}
	defer u.s.mu.Unlock()
	if u.s.locks[lock] != u {
		return harness.Definite(errors.New("not the holder"))
	}
	delete(u.s.locks, lock)
	return nil
}

func (u *storesUser) Submit(ctx context.Context, job uint64) error {
	if err := u.s.pass(ctx); err != nil {
		return err
	}
	defer u.s.mu.Unlock()
	u.s.effects = append(u.s.effects, harness.JobEffect{Job: job, Token: 7})
	return nil
}

func (u *storesUser) Pending(context.Context) (int, error) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	if u.s.pending > 0 {
		u.s.pending--
		return 1, nil
	}
	return 0, nil
}

func (u *storesUser) Effects(context.Context) ([]harness.JobEffect, error) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	return slices.Clone(u.s.effects), nil
}
