package impair

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/google/nftables"

	"github.com/hadrill/hadrill/faults/internal/namespace"
)

// Residue lists what this package left in a network namespace: its tables and
// the packet queues bound there. Nothing is an empty list. A namespace that is
// gone has nothing.
func Residue(netns string) ([]string, error) {
	ns, err := os.Open(netns)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", netns, err)
	}
	defer func() { _ = ns.Close() }()
	conn, err := nftables.New(nftables.WithNetNSFd(int(ns.Fd())))
	if err != nil {
		return nil, fmt.Errorf("open nftables in %s: %w", netns, err)
	}
	tables, err := conn.ListTables()
	if err != nil {
		return nil, fmt.Errorf("list nftables tables of %s: %w", netns, err)
	}
	var found []string
	for _, t := range tables {
		if strings.HasPrefix(t.Name, TablePrefix) {
			found = append(found, fmt.Sprintf("nftables table %s in %s", t.Name, netns))
		}
	}
	queues, err := readQueues(ns)
	if err != nil {
		return nil, err
	}
	for number := range queues {
		found = append(found, fmt.Sprintf("packet queue %d in %s", number, netns))
	}
	return found, nil
}

// queue is a line of /proc/net/netfilter/nfnetlink_queue.
type queue struct {
	held    uint64 // packets that wait for a verdict
	dropped uint64 // by a full queue or a full socket
}

// readQueues reads the namespace's bound queues from the thread's own view of
// procfs: the file shows the namespace of the thread that opens it.
func readQueues(ns *os.File) (map[uint16]queue, error) {
	found := map[uint16]queue{}
	err := namespace.Do(ns, func() error {
		f, err := os.Open("/proc/thread-self/net/netfilter/nfnetlink_queue")
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the module is not loaded: no queue was ever made
		}
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		for s := bufio.NewScanner(f); s.Scan(); {
			var number uint16
			var port, mode, size, one, sequence uint64
			var full, user uint64
			var q queue
			if _, err := fmt.Sscan(s.Text(), &number, &port, &q.held, &mode, &size, &full, &user, &sequence, &one); err != nil {
				return fmt.Errorf("parse %q: %w", s.Text(), err)
			}
			q.dropped = full + user
			found[number] = q
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read packet queues of %s: %w", ns.Name(), err)
	}
	return found, nil
}
