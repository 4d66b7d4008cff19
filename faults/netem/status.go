package netem

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/faults/internal/namespace"
)

// Statistics are the kernel's counters of one link's discipline.
type Statistics struct {
	Passed  uint64 // packets that were let go
	Dropped uint64 // lost, on purpose or because Limit was reached
	Held    uint64 // packets that wait now
}

// Status reads a link's counters; an error says that it is not in force.
func Status(netns string, l impair.Link) (Statistics, error) {
	var s Statistics
	err := namespace.In(netns, func() error {
		device, err := netlink.LinkByName(DeviceName(l))
		if err != nil {
			return err
		}
		s, err = statistics(device)
		return err
	})
	if err != nil {
		return s, fmt.Errorf("read netem state of link %s: %w", l, err)
	}
	return s, nil
}

func statistics(device netlink.Link) (Statistics, error) {
	all, err := netlink.QdiscList(device)
	if err != nil {
		return Statistics{}, fmt.Errorf("list queueing disciplines of %s: %w", device.Attrs().Name, err)
	}
	for _, q := range all {
		if q.Type() != "netem" {
			continue
		}
		var s Statistics
		if st := q.Attrs().Statistics; st != nil {
			if st.Basic != nil {
				s.Passed = uint64(st.Basic.Packets)
			}
			if st.Queue != nil {
				s.Held, s.Dropped = uint64(st.Queue.Qlen), uint64(st.Queue.Drops)
			}
		}
		return s, nil
	}
	return Statistics{}, fmt.Errorf("device %s has no netem", device.Attrs().Name)
}

// Residue lists the devices that this package left in a network namespace. A
// namespace that is gone has none.
func Residue(netns string) ([]string, error) {
	var found []string
	err := namespace.In(netns, func() error {
		names, err := devices()
		for _, n := range names {
			found = append(found, fmt.Sprintf("netem device %s in %s", n, netns))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return found, err
}

// Sweep removes whatever Residue lists, without waiting for held packets.
func Sweep(netns string) error {
	err := namespace.In(netns, func() error {
		names, err := devices()
		for _, n := range names {
			err = errors.Join(err, remove(n))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

func devices() ([]string, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	var names []string
	for _, l := range all {
		if n := l.Attrs().Name; strings.HasPrefix(n, DevicePrefix) {
			names = append(names, n)
		}
	}
	return names, nil
}
