package components

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	// keyDisk is where a node has its disk, if it has one.
	keyDisk = "HADRILL_DISK"

	blockSize = 4 << 10
	storeSize = 16 << 20 // then it begins anew
)

// store keeps blocks in a file on the node's disk, one after the other, each
// synced before the next. New blocks need new room, so a full disk shows.
type store struct {
	path string
	turn chan struct{}
	size int64
}

func newStore(disk string) *store {
	return &store{path: filepath.Join(disk, "blocks"), turn: make(chan struct{}, 1)}
}

// keep writes a block and syncs it. A disk that answers nothing holds up the
// one who writes and nobody else: the others give up when their patience ends.
func (s *store) keep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("the block before is not written after %v", time.Since(began))
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-s.turn }()
		done <- s.write()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the block is not written after %v", time.Since(began))
	}
}

// write is called by one at a time.
func (s *store) write() error {
	how := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if s.size >= storeSize {
		how |= os.O_TRUNC
		s.size = 0
	}
	f, err := os.OpenFile(s.path, how, 0o644)
	if err != nil {
		return err
	}
	n, err := f.Write(make([]byte, blockSize))
	s.size += int64(n)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
