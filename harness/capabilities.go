package harness

import (
	"context"
	"crypto/tls"
)

// Doors is a Running with ways in beside its URL, each with a name: past its
// gateway, or as a client that it should not know. secure is what the client
// trusts and shows there, nil where the URL is plain HTTP.
type Doors interface {
	Door(name string) (url string, secure *tls.Config, err error)
}

// The capabilities below are what the workloads that check consistency ask
// of a system, beside SetStore and RegisterStore. The rules for all their
// clients are those of SetClient: one virtual user, not for concurrent use;
// an error that is known not to have taken effect is wrapped by Definite,
// every other error leaves the outcome unknown; calls return soon after
// ctx's deadline.

// TransactionStore is a Running that performs transactions over lists and
// registers, at the isolation level that its declaration names.
type TransactionStore interface {
	OpenTransactions(ctx context.Context, from Vantage) (TransactionClient, error)
}

// StepKind says what a step of a transaction does. Closed.
type StepKind uint8

// The kinds of step.
const (
	StepAppend   StepKind = iota + 1 // append Value to list Key
	StepReadList                     // Values becomes list Key, oldest first
	StepWrite                        // set register Key to Value
	StepRead                         // Value becomes register Key, Found whether it has one
)

// Step is one step of a transaction.
type Step struct {
	Kind   StepKind
	Key    uint64
	Value  int64
	Found  bool
	Values []int64
}

// TransactionClient is one virtual user of a TransactionStore.
type TransactionClient interface {
	// Transact performs steps in order, in one transaction, and fills in what
	// was read. No error means that the transaction committed; a Definite one
	// that it was rolled back. An error of the commit itself is not Definite.
	Transact(ctx context.Context, steps []Step) error
	Close() error
}

// BankStore is a Running that keeps accounts.
type BankStore interface {
	OpenBank(ctx context.Context, from Vantage) (BankClient, error)
}

// BankClient is one virtual user of a BankStore.
type BankClient interface {
	// Create makes accounts with the given balance each, in one transaction.
	Create(ctx context.Context, accounts []uint64, balance int64) error
	// Transfer moves amount between two accounts in one transaction. It
	// refuses, with a Definite error, to overdraw.
	Transfer(ctx context.Context, from, to uint64, amount int64) error
	// Balances reads all the accounts in one transaction, in their order.
	Balances(ctx context.Context, accounts []uint64) ([]int64, error)
	Close() error
}

// QueueStore is a Running that keeps queues of integers.
type QueueStore interface {
	OpenQueue(ctx context.Context, from Vantage) (QueueClient, error)
}

// QueueClient is one virtual user of a QueueStore, producer or consumer.
type QueueClient interface {
	// Enqueue returns nil once the system has confirmed value.
	Enqueue(ctx context.Context, queue uint64, value int64) error
	// Dequeue takes the next value and acknowledges it. With nothing to take
	// it returns soon, found being false. When the value was delivered but
	// its acknowledgement failed, found is true and err is not nil.
	Dequeue(ctx context.Context, queue uint64) (value int64, found bool, err error)
	Close() error
}

// LockStore is a Running that gives locks with fencing tokens.
type LockStore interface {
	OpenLocks(ctx context.Context, from Vantage) (LockClient, error)
}

// LockClient is one virtual user of a LockStore. It holds at most one lock.
type LockClient interface {
	// Acquire tries to take the lock; acquired is false when another holds
	// it. Tokens of one lock increase with every holder.
	Acquire(ctx context.Context, lock uint64) (token int64, acquired bool, err error)
	// Release gives the lock back; a Definite error when it was already lost.
	Release(ctx context.Context, lock uint64) error
	Close() error
}

// JobRunner is a Running that takes jobs and performs each one's effect.
type JobRunner interface {
	OpenJobs(ctx context.Context, from Vantage) (JobClient, error)
}

// JobEffect is one effect that a job had.
type JobEffect struct {
	Job   uint64
	Token int64 // fencing token under which it was made, 0 when there is none
}

// JobClient is one virtual user of a JobRunner.
type JobClient interface {
	// Submit asks for a job, due at once. Nil means that it was accepted: its
	// effect must then come exactly once.
	Submit(ctx context.Context, job uint64) error
	// Pending returns how many accepted jobs have not been done yet.
	Pending(ctx context.Context) (int, error)
	// Effects returns all effects so far, in the order in which they were
	// made, each as often as it was made.
	Effects(ctx context.Context) ([]JobEffect, error)
	Close() error
}
