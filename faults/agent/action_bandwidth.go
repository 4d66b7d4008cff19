package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ActionBandwidth narrows a node's network interfaces.
const ActionBandwidth = "bandwidth"

// BandwidthParams say how narrow. At least one direction must be given.
type BandwidthParams struct {
	Out uint64 `json:"out,omitempty"` // bytes a second that the node can send; 0: as before
	In  uint64 `json:"in,omitempty"`  // bytes a second that it can receive; 0: as before
}

const (
	// burstTime is how much may pass at once: a token bucket that is too
	// shallow never reaches its rate, since the kernel's timer wakes it up to
	// some milliseconds late.
	burstTime = 20       // 1/50 s
	minBurst  = 64 << 10 // a segmented packet must fit
	// queueTime is what waits for tokens before packets are lost: 1/10 s, as a
	// modest router has it.
	queueTime = 10
)

var _ = register(Action{
	Name: ActionBandwidth,
	Doc:  "the node's interfaces are slow: what it sends and what arrives waits in token buckets",
	Use:  []string{"tbf", "ifb"},
	Lost: WithNamespace,
	Apply: func(_ context.Context, t *Target) (Evidence, error) {
		var p BandwidthParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		if p.In == 0 && p.Out == 0 {
			return Evidence{}, errors.New("no rate given")
		}
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		seen := Evidence{Before: monotonic(), How: "qdisc list"}
		if p.Out > 0 {
			if err := shape(life, p.Out); err != nil {
				return Evidence{}, errors.Join(err, unshape(life))
			}
		}
		if p.In > 0 {
			if err := narrow(life, p.In); err != nil {
				return Evidence{}, errors.Join(err, widen(life), unshape(life))
			}
		}
		seen.After = monotonic()
		return seen, nil
	},
	Verify: func(_ context.Context, t *Target, applied Evidence) (Evidence, error) {
		var p BandwidthParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		if p.Out > 0 {
			shaped, links, err := shapedLinks(life, p.Out)
			if err != nil {
				return Evidence{}, err
			}
			if shaped != links || links == 0 {
				return Evidence{}, fmt.Errorf("%d of %d interfaces have the token bucket", shaped, links)
			}
		}
		if p.In > 0 {
			if _, right, err := narrowed(life, p.In); err != nil || !right {
				return Evidence{}, errors.Join(err, errors.New("the intermediate device is not there with its token bucket"))
			}
		}
		if applied.Before == 0 {
			applied = Evidence{Before: monotonic(), After: monotonic(), How: "qdisc list"}
		}
		applied.Detail = fmt.Sprintf("out %d, in %d bytes a second (0: as before)", p.Out, p.In)
		return applied, nil
	},
	Undo: func(_ context.Context, t *Target) (Evidence, error) {
		seen := Evidence{Before: monotonic(), How: "qdisc list"}
		life, err := t.Node.Life()
		if errors.Is(err, ErrNotRunning) {
			seen.After = monotonic()
			return seen, nil // gone with the namespace
		}
		if err == nil {
			err = errors.Join(widen(life), unshape(life))
		}
		seen.After = monotonic()
		return seen, err
	},
	Undone: func(_ context.Context, t *Target, undone Evidence) (Evidence, error) {
		left, err := auditBandwidth(t.Node)
		if errors.Is(err, ErrNotRunning) {
			return undone, nil
		}
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("still there: %v", left)
		}
		undone.Detail = "the kernel lists no token bucket"
		return undone, err
	},
	Audit: func(_ context.Context, n *Node) ([]string, error) { return auditBandwidth(n) },
})

// auditBandwidth lists the token buckets that a node has.
func auditBandwidth(n *Node) ([]string, error) {
	life, err := n.Life()
	if err != nil || life.netns < 0 {
		return nil, err
	}
	var left []string
	shaped, _, err := shapedLinks(life, 0)
	if shaped > 0 {
		left = append(left, fmt.Sprintf("%d token buckets in node %s", shaped, n.name))
	}
	if err != nil {
		return nil, err
	}
	there, _, err := narrowed(life, 0)
	if there {
		left = append(left, fmt.Sprintf("interface %s in node %s", narrowDevice, n.name))
	}
	return left, err
}

// shapeHandle marks our token buckets ("da:").
var shapeHandle = netlink.MakeHandle(0xda, 0)

// withHandle opens rtnetlink in a node's namespace.
func withHandle(l *Life, f func(h *netlink.Handle) error) error {
	ns, err := l.Netns()
	if err != nil {
		return err
	}
	defer ns.Close()
	h, err := netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink in node %s: %w", l.node.name, err)
	}
	defer h.Close()
	return f(h)
}

// eachOf calls f for every interface of a node that leads to others.
func eachOf(l *Life, h *netlink.Handle, f func(link netlink.Link) error) error {
	links, err := h.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces of node %s: %w", l.node.name, err)
	}
	for _, link := range links {
		if link.Type() != "veth" {
			continue
		}
		if err := f(link); err != nil {
			return fmt.Errorf("interface %s of node %s: %w", link.Attrs().Name, l.node.name, err)
		}
	}
	return nil
}

func eachLink(l *Life, f func(h *netlink.Handle, link netlink.Link) error) error {
	return withHandle(l, func(h *netlink.Handle) error {
		return eachOf(l, h, func(link netlink.Link) error { return f(h, link) })
	})
}

// shape puts a token bucket on every interface. One of ours is replaced; one
// of somebody else's is left alone and is an error.
func shape(l *Life, rate uint64) error {
	return eachLink(l, func(h *netlink.Handle, link netlink.Link) error {
		q := tokenBucket(link, rate)
		err := h.QdiscAdd(q)
		if errors.Is(err, unix.EEXIST) && ours(h, link) != nil {
			err = h.QdiscReplace(q)
		}
		if err != nil {
			return fmt.Errorf("add token bucket: %w", err)
		}
		return nil
	})
}

func tokenBucket(link netlink.Link, rate uint64) *netlink.Tbf {
	return &netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Parent: netlink.HANDLE_ROOT, Handle: shapeHandle},
		Rate:       rate,
		Limit:      uint32(max(rate/queueTime, 2*minBurst)),
		Buffer:     bucket(rate),
	}
}

// bucket is the depth in the kernel's unit, which is time: how long its bytes
// take at the rate, in ticks of 64 ns.
func bucket(rate uint64) uint32 {
	bytes := max(rate/burstTime, minBurst)
	return netlink.Xmittime(rate, uint32(bytes))
}

func unshape(l *Life) error {
	return eachLink(l, func(h *netlink.Handle, link netlink.Link) error {
		q := ours(h, link)
		if q == nil {
			return nil
		}
		if err := h.QdiscDel(q); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("delete token bucket: %w", err)
		}
		return nil
	})
}

// shapedLinks counts the interfaces with our token bucket (at a rate, if not 0)
// and all.
func shapedLinks(l *Life, rate uint64) (shaped, links int, err error) {
	err = eachLink(l, func(h *netlink.Handle, link netlink.Link) error {
		links++
		if q := ours(h, link); q != nil && (rate == 0 || q.Rate == rate) {
			shaped++
		}
		return nil
	})
	return shaped, links, err
}

func ours(h *netlink.Handle, link netlink.Link) *netlink.Tbf {
	all, err := h.QdiscList(link)
	if err != nil {
		return nil
	}
	for _, q := range all {
		if bucket, ok := q.(*netlink.Tbf); ok && q.Attrs().Handle == shapeHandle {
			return bucket
		}
	}
	return nil
}

// narrowDevice is what arriving packets are led through: an intermediate
// device (ifb), since the kernel only queues what leaves a device.
//
//	wire ─▶ eth0 ingress ─ redirect ─▶ ifb: token bucket ─▶ the node's stack
const narrowDevice = "hadrill-in"

// narrow makes what arrives wait in a token bucket.
func narrow(l *Life, rate uint64) error {
	return withHandle(l, func(h *netlink.Handle) error {
		if _, err := h.LinkByName(narrowDevice); err == nil {
			return nil // ours, from before
		}
		ifb := &netlink.Ifb{LinkAttrs: netlink.LinkAttrs{Name: narrowDevice, TxQLen: 1000}}
		if err := h.LinkAdd(ifb); err != nil {
			return fmt.Errorf("add intermediate device: %w", err)
		}
		link, err := h.LinkByName(narrowDevice)
		if err == nil {
			err = h.LinkSetUp(link)
		}
		if err == nil {
			err = h.QdiscAdd(tokenBucket(link, rate))
		}
		if err != nil {
			return fmt.Errorf("set intermediate device up: %w", err)
		}
		return eachOf(l, h, func(real netlink.Link) error {
			ingress := &netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: real.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_INGRESS}}
			if err := h.QdiscAdd(ingress); err != nil {
				return fmt.Errorf("add ingress queue: %w", err)
			}
			err := h.FilterAdd(&netlink.U32{
				FilterAttrs: netlink.FilterAttrs{LinkIndex: real.Attrs().Index, Parent: netlink.MakeHandle(0xffff, 0), Priority: 1, Protocol: unix.ETH_P_ALL},
				Actions:     []netlink.Action{netlink.NewMirredAction(link.Attrs().Index)},
			})
			if err != nil {
				return errors.Join(fmt.Errorf("redirect to intermediate device: %w", err), h.QdiscDel(ingress))
			}
			return nil
		})
	})
}

// widen takes the intermediate device away, and the ingress queues that lead
// to it. Without the device there are none of ours.
func widen(l *Life) error {
	return withHandle(l, func(h *netlink.Handle) error {
		link, err := h.LinkByName(narrowDevice)
		if err != nil {
			return absentLink(err)
		}
		err = eachOf(l, h, func(real netlink.Link) error {
			all, err := h.QdiscList(real)
			if err != nil {
				return err
			}
			for _, q := range all {
				if q.Type() == "ingress" {
					if err := h.QdiscDel(q); err != nil && !errors.Is(err, unix.ENOENT) {
						return fmt.Errorf("delete ingress queue: %w", err)
					}
				}
			}
			return nil
		})
		// The device goes last: while it is there, an earlier failure can be
		// told from success.
		if err == nil {
			err = h.LinkDel(link)
		}
		return err
	})
}

// narrowed tells whether the intermediate device is there with its bucket.
func narrowed(l *Life, rate uint64) (there, right bool, err error) {
	err = withHandle(l, func(h *netlink.Handle) error {
		link, err := h.LinkByName(narrowDevice)
		if err != nil {
			return absentLink(err)
		}
		q := ours(h, link)
		there, right = true, q != nil && q.Rate == rate
		return nil
	})
	return there, right, err
}

func absentLink(err error) error {
	var absent netlink.LinkNotFoundError
	if errors.As(err, &absent) {
		return nil
	}
	return err
}
