package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hadrill/hadrill/harness"
)

const (
	fetchMost  = 1 << 20               // bytes at once
	fetchLeast = 64 << 10              // bytes that are worth an answer before fetchWait
	fetchWait  = 50 * time.Millisecond // how long a broker lets records gather
)

// A cursor is a place in a partition: the next offset, and the epoch of the
// leader that wrote what was read last. The epoch lets the leader say when
// that record is no longer in the log (KIP-320).
type cursor struct {
	offset int64
	epoch  int32
}

var fromTheStart = cursor{0, -1}

var errNoLeader = errors.New("no broker names a leader")

// place is how far the queues of a partition have been read, by all readers
// together.
type place struct {
	turn chan struct{} // held by who reads
	at   cursor
	kept []item // read and not taken yet, oldest first
}

type item struct {
	queue uint64
	value int64
}

func newPlace() *place { return &place{turn: make(chan struct{}, 1), at: fromTheStart} }

func (p *place) take(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *place) give() { <-p.turn }

// next takes the oldest kept record of a queue.
func (p *place) next(queue uint64) (value int64, found bool) {
	for i, it := range p.kept {
		if it.queue == queue {
			p.kept = append(p.kept[:i], p.kept[i+1:]...)
			return it.value, true
		}
	}
	return 0, false
}

// reader fetches committed records from partitions' leaders, over one
// connection to each broker.
type reader struct {
	brokers []*asker
	parts   []part // what is known of the partitions; empty: nothing
}

func (r *Running) newReader(from harness.Vantage) *reader {
	read := &reader{}
	for _, n := range r.nodes {
		read.brokers = append(read.brokers, newAsker(from, n.Addr(), clientPort))
	}
	return read
}

func (r *reader) close() {
	for _, a := range r.brokers {
		a.close()
	}
}

// leader finds a partition's leader, by the newest that any broker says.
func (r *reader) leader(ctx context.Context, partition int32) (*asker, part, error) {
	if len(r.parts) == 0 {
		views, errs := make([]view, len(r.brokers)), make([]error, len(r.brokers))
		for i, a := range r.brokers {
			once, cancel := context.WithTimeout(ctx, slack)
			views[i], errs[i] = askView(once, a)
			cancel()
		}
		r.parts = newest(views, errs)
		if int(partition) >= len(r.parts) {
			r.parts = nil
			return nil, part{}, errors.Join(append(errs, errNoLeader)...)
		}
	}
	p := r.parts[partition]
	if p.leader < 1 || int(p.leader) > len(r.brokers) {
		r.parts = nil
		return nil, part{}, fmt.Errorf("partition %d: %w", partition, errNoLeader)
	}
	return r.brokers[p.leader-1], p, nil
}

// lead asks a partition's leader something, again until it is answered or ctx
// ends: reading twice does no harm.
func (r *reader) lead(ctx context.Context, partition int32, ask func(context.Context, *asker, part) error) error {
	for {
		a, p, err := r.leader(ctx, partition)
		if err == nil {
			once, cancel := context.WithTimeout(ctx, answerLimit)
			err = ask(once, a, p)
			cancel()
			if err == nil {
				return nil
			}
		}
		r.parts = nil
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// fetch reads what follows a cursor. A cursor whose record is no longer in the
// log, because a leader without it was elected, goes back to where the logs
// part, and what is there now is read.
func (r *reader) fetch(ctx context.Context, partition int32, at cursor) (records []*kgo.Record, then cursor, err error) {
	err = r.lead(ctx, partition, func(ctx context.Context, a *asker, p part) error {
		answer, err := a.ask(ctx, fetchRequest(partition, p.epoch, at))
		if err != nil {
			return err
		}
		fetched, err := onlyPartition(answer.(*kmsg.FetchResponse))
		if err != nil {
			return err
		}
		switch err := kerr.ErrorForCode(fetched.ErrorCode); {
		case err == kerr.OffsetOutOfRange: // deleted, or never there
			start, err := listOffset(ctx, a, partition, p.epoch, earliest)
			records, then = nil, cursor{start, -1}
			return err
		case err != nil:
			return err
		}
		if diverged := fetched.DivergingEpoch; diverged.EndOffset >= 0 {
			records, then = nil, cursor{diverged.EndOffset, diverged.Epoch}
			return nil
		}
		read, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
			Offset: at.offset, IsolationLevel: kgo.ReadCommitted(), Topic: topic, Partition: partition,
		}, fetched, kgo.DefaultDecompressor(), nil)
		records, then = read.Records, cursor{next, at.epoch}
		if n := len(records); n > 0 {
			then.epoch = records[n-1].LeaderEpoch
		}
		return read.Err
	})
	return records, then, err
}

func fetchRequest(partition, epoch int32, at cursor) *kmsg.FetchRequest {
	question := kmsg.NewPtrFetchRequest()
	question.SetVersion(12)
	question.MaxWaitMillis, question.MinBytes, question.MaxBytes = int32(fetchWait.Milliseconds()), fetchLeast, fetchMost
	question.IsolationLevel = 1 // committed records only
	question.SessionEpoch = -1  // no session
	wanted := kmsg.NewFetchRequestTopicPartition()
	wanted.Partition, wanted.CurrentLeaderEpoch, wanted.PartitionMaxBytes = partition, epoch, fetchMost
	wanted.FetchOffset, wanted.LastFetchedEpoch = at.offset, at.epoch
	of := kmsg.NewFetchRequestTopic()
	of.Topic, of.Partitions = topic, []kmsg.FetchRequestTopicPartition{wanted}
	question.Topics = []kmsg.FetchRequestTopic{of}
	return question
}

func onlyPartition(answer *kmsg.FetchResponse) (*kmsg.FetchResponseTopicPartition, error) {
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return nil, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return nil, errors.New("fetch: the answer is not of the one partition asked for")
	}
	return &answer.Topics[0].Partitions[0], nil
}

// The places that an offset can be asked for (ListOffsets in Kafka's protocol).
const (
	latest   = -1
	earliest = -2
)

// bound returns a partition's earliest offset, or the one after its last
// committed record. A new leader refuses to tell the latest until it knows that
// all before its time is committed (KIP-207), so that nothing acknowledged lies
// behind the answer.
func (r *reader) bound(ctx context.Context, partition int32, which int64) (offset int64, err error) {
	err = r.lead(ctx, partition, func(ctx context.Context, a *asker, p part) (err error) {
		offset, err = listOffset(ctx, a, partition, p.epoch, which)
		return err
	})
	return offset, err
}

func listOffset(ctx context.Context, a *asker, partition, epoch int32, which int64) (int64, error) {
	question := kmsg.NewPtrListOffsetsRequest()
	question.SetVersion(7)
	question.ReplicaID, question.IsolationLevel = -1, 1
	wanted := kmsg.NewListOffsetsRequestTopicPartition()
	wanted.Partition, wanted.CurrentLeaderEpoch, wanted.Timestamp = partition, epoch, which
	of := kmsg.NewListOffsetsRequestTopic()
	of.Topic, of.Partitions = topic, []kmsg.ListOffsetsRequestTopicPartition{wanted}
	question.Topics = []kmsg.ListOffsetsRequestTopic{of}
	answer, err := a.ask(ctx, question)
	if err != nil {
		return 0, err
	}
	listed := answer.(*kmsg.ListOffsetsResponse)
	if len(listed.Topics) != 1 || len(listed.Topics[0].Partitions) != 1 {
		return 0, errors.New("list offsets: the answer is not of the one partition asked for")
	}
	found := listed.Topics[0].Partitions[0]
	return found.Offset, kerr.ErrorForCode(found.ErrorCode)
}

// whole reads a partition from its start to its end as it is now.
func (r *reader) whole(ctx context.Context, partition int32, see func(key uint64, value int64)) error {
	end, err := r.bound(ctx, partition, latest)
	if err != nil {
		return err
	}
	start, err := r.bound(ctx, partition, earliest)
	if err != nil {
		return err
	}
	for at := (cursor{start, -1}); at.offset < end; {
		records, then, err := r.fetch(ctx, partition, at)
		if err != nil {
			return err
		}
		if then.offset < at.offset {
			return fmt.Errorf("partition %d lost what was read before offset %d while it was read", partition, at.offset)
		}
		for _, record := range records {
			key, value, err := decode(record.Value)
			if err != nil {
				return fmt.Errorf("offset %d: %w", record.Offset, err)
			}
			if record.Offset < end {
				see(key, value)
			}
		}
		at = then
	}
	return nil
}

// ahead reads what follows a place, whose turn the caller has. It reports
// false when nothing does.
func (r *reader) ahead(ctx context.Context, partition int32, p *place) (more bool, err error) {
	records, then, err := r.fetch(ctx, partition, p.at)
	if err != nil {
		return false, err
	}
	if len(records) == 0 && then == p.at {
		end, err := r.bound(ctx, partition, latest)
		return end > p.at.offset, err
	}
	for _, record := range records {
		key, value, err := decode(record.Value)
		if err != nil {
			return false, fmt.Errorf("offset %d: %w", record.Offset, err)
		}
		if key != introduction {
			p.kept = append(p.kept, item{key, value})
		}
	}
	p.at = then
	return true, nil
}
