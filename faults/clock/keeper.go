package clock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Interval is how often a Keeper looks for processes that are new or have
// shed the patch by exec; so long may they see the true time.
const Interval = 50 * time.Millisecond

// Keeper keeps the clock of a group skewed until it is closed. It is safe for
// concurrent use.
type Keeper struct {
	group Group
	ref   time.Time

	mu      sync.Mutex
	skew    Skew
	closed  bool
	patched map[int]bool
	again   int   // processes patched after the first round
	failed  error // of the latest round

	cancel context.CancelFunc
	done   chan struct{}
}

// Change brackets when a skew took effect or ended, in time.Now readings.
type Change struct {
	Before, After time.Time
	Processes     int // how many were changed
}

// Keep skews the clocks of all processes of a group from now on. When it
// returns without an error they are all skewed; with an error none is.
func Keep(ctx context.Context, g Group, s Skew) (*Keeper, Change, error) {
	return KeepSince(ctx, g, s, time.Now())
}

// KeepSince is Keep with a reference in the past: a drift or a frozen clock
// goes on where it was when its process was restarted.
func KeepSince(ctx context.Context, g Group, s Skew, ref time.Time) (*Keeper, Change, error) {
	if err := s.Validate(); err != nil {
		return nil, Change{}, err
	}
	k := &Keeper{group: g, ref: ref.Round(0), skew: s, patched: map[int]bool{}, done: make(chan struct{})}
	c := Change{Before: time.Now()}
	n, err := k.round(ctx)
	if err == nil && n == 0 {
		err = errors.New("the group has no process")
	}
	if err != nil {
		_, undo := Heal(context.WithoutCancel(ctx), g)
		return nil, Change{}, errors.Join(fmt.Errorf("skew clocks by %s: %w", s, err), undo)
	}
	c.After, c.Processes = time.Now(), n
	background, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	go k.watch(background)
	return k, c, nil
}

func (k *Keeper) watch(ctx context.Context) {
	defer close(k.done)
	t := time.NewTicker(Interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		k.mu.Lock()
		n, err := k.round(ctx)
		k.again += n
		k.failed = err
		k.mu.Unlock()
	}
}

// round patches the processes that are not patched yet; it freezes the group
// only if there are any. It returns how many it patched.
func (k *Keeper) round(ctx context.Context) (int, error) {
	missing := func() ([]int, error) {
		all, err := k.group.Processes()
		var pids []int
		for _, pid := range all {
			yes, seen := Patched(pid)
			if seen == nil && !yes {
				pids = append(pids, pid)
			}
			err = errors.Join(err, seen)
		}
		return pids, err
	}
	first, err := missing()
	if err != nil || len(first) == 0 {
		return 0, err
	}
	n := 0
	err = frozen(ctx, k.group, func() error {
		pids, err := missing() // again: nothing starts while all are frozen
		if err != nil {
			return err
		}
		for _, pid := range pids {
			fresh, err := patch(pid, k.ref, k.skew)
			if err != nil && !gone(err) {
				return err
			}
			if fresh {
				n++
			}
		}
		return nil
	})
	return n, err
}

// Set changes the skew of all processes, from now on.
func (k *Keeper) Set(ctx context.Context, s Skew) (Change, error) {
	if err := s.Validate(); err != nil {
		return Change{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return Change{}, errors.New("set skew: the keeper is closed")
	}
	c := Change{Before: time.Now()}
	k.ref, k.skew = time.Now().Round(0), s
	err := frozen(ctx, k.group, func() error {
		pids, err := k.group.Processes()
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if _, err := patch(pid, k.ref, s); err != nil && !gone(err) {
				return err
			}
			c.Processes++
		}
		return nil
	})
	if err != nil {
		return Change{}, fmt.Errorf("change skew to %s: %w", s, err)
	}
	c.After = time.Now()
	return c, nil
}

// Status is what a Keeper has to say of its group.
type Status struct {
	Skew      Skew
	Reference time.Time // true time of the injection
	Skewed    int       // processes that are skewed now
	True      int       // processes that see the true time now
	Again     int       // processes patched after the injection: started or exec'ed since
}

// Status reads the state of every process; an error of the latest round is
// returned with it.
func (k *Keeper) Status() (Status, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := Status{Skew: k.skew, Reference: k.ref, Again: k.again}
	pids, err := k.group.Processes()
	for _, pid := range pids {
		yes, seen := Patched(pid)
		switch {
		case seen != nil:
			err = errors.Join(err, seen)
		case yes:
			s.Skewed++
		default:
			s.True++
		}
	}
	return s, errors.Join(err, k.failed)
}

// Close ends the watch and heals the group. Closing twice is fine.
func (k *Keeper) Close(ctx context.Context) (Change, error) {
	k.mu.Lock()
	if !k.closed {
		k.closed = true
		k.cancel()
	}
	k.mu.Unlock()
	<-k.done
	return Heal(ctx, k.group)
}

// Heal gives all processes of a group the true time, whoever skewed them. A
// group that is gone or was never skewed is fine.
func Heal(ctx context.Context, g Group) (Change, error) {
	c := Change{Before: time.Now()}
	skewed, err := Residue(g)
	if err != nil {
		return Change{}, err
	}
	if len(skewed) > 0 {
		err = frozen(ctx, g, func() error {
			pids, err := g.Processes()
			for _, pid := range pids {
				err = errors.Join(err, revert(pid))
			}
			return err
		})
		if err != nil {
			return Change{}, fmt.Errorf("heal clocks: %w", err)
		}
	}
	c.After, c.Processes = time.Now(), len(skewed)
	return c, nil
}

// Residue lists the processes of a group whose clock is skewed.
func Residue(g Group) ([]int, error) {
	pids, err := g.Processes()
	var found []int
	for _, pid := range pids {
		yes, seen := Patched(pid)
		if yes {
			found = append(found, pid)
		}
		err = errors.Join(err, seen)
	}
	return found, err
}

// frozen runs f while the group is frozen, again after a moment as long as a
// thread stands in the way.
func frozen(ctx context.Context, g Group, f func() error) error {
	const attempts = 100
	for n := 1; ; n++ {
		thaw, err := g.Freeze(ctx)
		if err != nil {
			return err
		}
		err = errors.Join(f(), thaw())
		if !errors.Is(err, errBusy) || n == attempts || ctx.Err() != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}
