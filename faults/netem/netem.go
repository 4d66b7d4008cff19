package netem

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/faults/internal/namespace"
)

// DevicePrefix begins the name of every device this package makes.
const DevicePrefix = "hdrl"

// DrainTime bounds how long healing waits for packets that are still held.
const DrainTime = 500 * time.Millisecond

// ErrMissing says that the kernel lacks a part; the wrapped text names it.
var ErrMissing = errors.New("not in this kernel")

// Probe tries, in a network namespace, whether the kernel has all it takes.
// The namespace is left as it was. A missing part is ErrMissing.
func Probe(netns string) error {
	im := impair.Impairment{Delay: time.Millisecond}
	link := impair.Link{Proto: impair.UDP, Port: 1}
	err := namespace.In(netns, func() error {
		return errors.Join(apply(link, &im), remove(DeviceName(link)))
	})
	if err != nil {
		return fmt.Errorf("probe netem: %w", err)
	}
	return nil
}

// DeviceName is the name of a link's device, the same in every process.
func DeviceName(l impair.Link) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(l.String()))
	return fmt.Sprintf("%s%08x", DevicePrefix, h.Sum32())
}

// Set impairs a link into a network namespace from now on, or changes its
// impairment. When it returns it is in force.
func Set(ctx context.Context, netns string, l impair.Link, im impair.Impairment) (impair.Change, error) {
	if err := errors.Join(l.Validate(), im.Validate(), Supports(im), ctx.Err()); err != nil {
		return impair.Change{}, err
	}
	c := impair.Change{Before: time.Now()}
	err := namespace.In(netns, func() error {
		err := apply(l, &im)
		if err != nil {
			err = errors.Join(err, remove(DeviceName(l)))
		}
		return err
	})
	if err != nil {
		return impair.Change{}, fmt.Errorf("impair link %s with %s by netem: %w", l, im, err)
	}
	c.After = time.Now()
	return c, nil
}

// apply runs inside the namespace.
func apply(l impair.Link, im *impair.Impairment) error {
	name := DeviceName(l)
	device, err := netlink.LinkByName(name)
	if err == nil {
		// In force already: only the discipline changes, live.
		if err := set(device.Attrs().Index, im); err != nil {
			return missing("sch_netem", "change queueing discipline netem of "+name, err)
		}
		return nil
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.TxQLen = name, limit
	if err := netlink.LinkAdd(&netlink.Ifb{LinkAttrs: attrs}); err != nil {
		return missing("ifb", "add device "+name, err)
	}
	if device, err = netlink.LinkByName(name); err != nil {
		return fmt.Errorf("find device %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(device); err != nil {
		return fmt.Errorf("set device %s up: %w", name, err)
	}
	if err := set(device.Attrs().Index, im); err != nil {
		return missing("sch_netem", "add queueing discipline netem to "+name, err)
	}
	entries, err := arrivals()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := redirect(e, device.Attrs().Index, l); err != nil {
			return err
		}
	}
	return nil
}

// missing tells a part that the kernel lacks from any other failure.
func missing(module, doing string, err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("%s: module %s: %w (%w)", doing, module, ErrMissing, err)
	}
	return fmt.Errorf("%s (needs NET_ADMIN): %w", doing, err)
}

// arrivals are the devices by which packets come into the namespace.
func arrivals() ([]netlink.Link, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	var in []netlink.Link
	for _, l := range all {
		if l.Attrs().Flags&net.FlagLoopback == 0 && !strings.HasPrefix(l.Attrs().Name, DevicePrefix) && l.Attrs().Flags&net.FlagUp != 0 {
			in = append(in, l)
		}
	}
	return in, nil
}

const ingress = netlink.HANDLE_MIN_INGRESS

// redirect sends a link's packets that arrive at a device through another.
func redirect(at netlink.Link, to int, l impair.Link) error {
	name := at.Attrs().Name
	hook := &netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: at.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_INGRESS}}
	if err := netlink.QdiscAdd(hook); err != nil && !errors.Is(err, unix.EEXIST) {
		return missing("sch_ingress", "add ingress hook to "+name, err)
	}
	for _, protocol := range []uint16{unix.ETH_P_IP, unix.ETH_P_IPV6} {
		v6 := protocol == unix.ETH_P_IPV6
		if l.From.IsValid() && l.From.Addr().Is6() != v6 {
			continue
		}
		f := &netlink.Flower{
			FilterAttrs: netlink.FilterAttrs{LinkIndex: at.Attrs().Index, Parent: ingress, Protocol: protocol, Priority: priority(l, v6)},
			EthType:     protocol,
			DestPort:    l.Port,
			Actions:     []netlink.Action{netlink.NewMirredAction(to)},
		}
		if l.From.IsValid() {
			f.SrcIP = l.From.Masked().Addr().AsSlice()
			f.SrcIPMask = net.CIDRMask(l.From.Bits(), l.From.Addr().BitLen())
		}
		if l.Proto != "" {
			number := nl.IPProto(l.Proto.Number())
			f.IPProto = &number
		}
		if err := netlink.FilterAdd(f); err != nil {
			return missing("cls_flower or act_mirred", "add filter for "+l.String()+" to "+name, err)
		}
	}
	return nil
}

// priority puts narrower links first; a protocol has its own numbers because
// the kernel keeps one protocol a number.
func priority(l impair.Link, v6 bool) uint16 {
	p := 100 + 2*uint16(1024-l.Narrowness())
	if v6 {
		p++
	}
	return p
}

// Clear heals a link. A link that is not impaired is fine.
func Clear(ctx context.Context, netns string, l impair.Link) (impair.Change, error) {
	c := impair.Change{Before: time.Now()}
	err := namespace.In(netns, func() error { return clear(ctx, DeviceName(l)) })
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // the namespace went with its container
	}
	if err != nil {
		return impair.Change{}, fmt.Errorf("heal link %s: %w", l, err)
	}
	c.After = time.Now()
	return c, nil
}

// clear waits for the held packets between filters and device.
func clear(ctx context.Context, name string) error {
	device, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find device %s: %w", name, err)
	}
	if err := unredirect(device.Attrs().Index); err != nil {
		return err
	}
	for end := time.Now().Add(DrainTime); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		s, err := statistics(device)
		if err != nil || s.Held == 0 {
			break
		}
	}
	return remove(name)
}

// remove takes a device away with all that leads to it.
func remove(name string) error {
	device, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find device %s: %w", name, err)
	}
	if err := unredirect(device.Attrs().Index); err != nil {
		return err
	}
	if err := netlink.LinkDel(device); err != nil {
		return fmt.Errorf("delete device %s: %w", name, err)
	}
	return nil
}

// unredirect deletes the filters that lead to a device, and ingress hooks that
// have none left.
func unredirect(to int) error {
	entries, err := arrivals()
	if err != nil {
		return err
	}
	for _, e := range entries {
		filters, err := netlink.FilterList(e, ingress)
		if err != nil {
			return fmt.Errorf("list filters of %s: %w", e.Attrs().Name, err)
		}
		left, ours := 0, 0
		for _, f := range filters {
			if !leadsTo(f, to) {
				left++
				continue
			}
			if err := netlink.FilterDel(f); err != nil && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("delete filter of %s: %w", e.Attrs().Name, err)
			}
			ours++
		}
		if ours > 0 && left == 0 {
			hook := &netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: e.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_INGRESS}}
			if err := netlink.QdiscDel(hook); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("delete ingress hook of %s: %w", e.Attrs().Name, err)
			}
		}
	}
	return nil
}

func leadsTo(f netlink.Filter, index int) bool {
	flower, ok := f.(*netlink.Flower)
	if !ok {
		return false
	}
	for _, a := range flower.Actions {
		if m, ok := a.(*netlink.MirredAction); ok && m.Ifindex == index {
			return true
		}
	}
	return false
}
