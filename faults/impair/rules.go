package impair

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// TablePrefix begins the name of every nftables table this package makes.
const TablePrefix = "hadrill_impair"

// LeaseTime is how long a stopped tool goes on impairing: the rules match only
// while a set element with this time-out lives.
const LeaseTime = 2 * time.Second

// priority of the chain: before the raw table's own, so that an impaired
// packet is late for every rule of the receiver.
const priority = -310

// rules is one nftables table in the receiver's namespace.
type rules struct {
	mu     sync.Mutex
	conn   *nftables.Conn
	raw    *netlink.Conn
	table  *nftables.Table
	chain  *nftables.Chain
	lease  *nftables.Set
	native bool // the kernel has the queue expression; else the xtables target
}

// openRules makes the table, owned by this process's socket where the kernel
// knows the flag (5.12 and later), and its empty chain.
func openRules(ns *os.File, name string) (*rules, error) {
	r := &rules{}
	conn, err := nftables.New(nftables.WithNetNSFd(int(ns.Fd())), nftables.AsLasting(),
		nftables.WithSockOptions(func(c *netlink.Conn) error { r.raw = c; return nil }))
	if err != nil {
		return nil, fmt.Errorf("open nftables in %s: %w", ns.Name(), err)
	}
	r.conn = conn
	r.table = &nftables.Table{Family: nftables.TableFamilyINet, Name: name}
	if err := r.createTable(); err != nil {
		_ = conn.CloseLasting()
		return nil, fmt.Errorf("create nftables table %s in %s: %w", name, ns.Name(), err)
	}
	accept := nftables.ChainPolicyAccept
	r.chain = conn.AddChain(&nftables.Chain{
		Table: r.table, Name: "arrive", Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRef(priority), Policy: &accept,
	})
	r.lease = &nftables.Set{
		Table: r.table, Name: "lease", KeyType: nftables.TypeInetService,
		HasTimeout: true, Timeout: LeaseTime,
	}
	if err = conn.AddSet(r.lease, []nftables.SetElement{{Key: leaseKey}}); err == nil {
		err = conn.Flush()
	}
	if err != nil {
		_ = conn.CloseLasting()
		return nil, fmt.Errorf("create chain and lease of nftables table %s in %s: %w", name, ns.Name(), err)
	}
	return r, nil
}

var leaseKey = []byte{0, 1}

// createTable sends the NEWTABLE itself, because the library always writes
// flags 0 and the owner flag can only be given at creation.
func (r *rules) createTable() error {
	err := r.newTable(2) // NFT_TABLE_F_OWNER
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		err = r.newTable(0)
	}
	return err
}

func (r *rules) newTable(flags uint32) error {
	const nftables = 10 // NFNL_SUBSYS_NFTABLES
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(r.table.Name), 0)},
		{Type: unix.NFTA_TABLE_FLAGS, Data: be.AppendUint32(nil, flags)},
	})
	if err != nil {
		return err
	}
	batch := func(typ netlink.HeaderType) netlink.Message {
		return netlink.Message{Header: netlink.Header{Type: typ, Flags: netlink.Request}, Data: []byte{unix.AF_UNSPEC, 0, 0, nftables}}
	}
	_, err = r.raw.SendMessages([]netlink.Message{
		batch(unix.NFNL_MSG_BATCH_BEGIN),
		{
			Header: netlink.Header{Type: nftables<<8 | unix.NFT_MSG_NEWTABLE, Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl},
			Data:   append([]byte{unix.NFPROTO_INET, 0, 0, 0}, attrs...),
		},
		batch(unix.NFNL_MSG_BATCH_END),
	})
	if err != nil {
		return err
	}
	_, err = r.raw.Receive() // the acknowledgement
	return err
}

// set replaces all rules by one for each link, the narrower first, in one
// transaction: a packet sees the old rules or the new ones, never half.
func (r *rules) set(links []*link) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	links = slices.Clone(links)
	slices.SortStableFunc(links, func(a, b *link) int { return cmp.Compare(b.id.Narrowness(), a.id.Narrowness()) })
	err := r.write(links, r.native)
	if err != nil && len(links) > 0 && !r.native {
		// The xtables target needs CONFIG_NFT_COMPAT; the expression of
		// nftables' own needs CONFIG_NFT_QUEUE. One of them is there or the
		// first error stands.
		if r.write(links, true) == nil {
			r.native = true
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("write nftables table %s: %w", r.table.Name, err)
	}
	return nil
}

func (r *rules) write(links []*link, native bool) error {
	r.conn.FlushChain(r.chain)
	for _, l := range links {
		r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: r.chain, Exprs: r.expressions(l, native)})
	}
	return r.conn.Flush()
}

// expressions of a rule: not loopback (which also exempts our own duplicates,
// sent through it), lease alive, the link's packets, into its queue.
func (r *rules) expressions(l *link, native bool) []expr.Any {
	loopback := make([]byte, 16)
	copy(loopback, "lo")
	e := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: loopback},
		&expr.Immediate{Register: 1, Data: leaseKey},
		&expr.Lookup{SourceRegister: 1, SetID: r.lease.ID, SetName: r.lease.Name},
	}
	if l.id.From.IsValid() {
		e = append(e, from(l.id)...)
	}
	if l.id.Proto != "" {
		e = append(e,
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{l.id.Proto.Number()}})
	}
	if l.id.Port != 0 {
		e = append(e,
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(l.id.Port)})
	}
	e = append(e, &expr.Counter{})
	if native {
		return append(e, &expr.Queue{Num: l.queue, Flag: expr.QueueFlagBypass})
	}
	// struct xt_NFQ_info_v3: queue, number of queues, flags (1: bypass), padding.
	info := xt.Unknown(ne.AppendUint16(ne.AppendUint16(ne.AppendUint16(ne.AppendUint16(nil, l.queue), 1), 1), 0))
	return append(e, &expr.Target{Name: "NFQUEUE", Rev: 3, Info: &info})
}

func from(id Link) []expr.Any {
	family, offset, length := byte(unix.NFPROTO_IPV4), uint32(12), uint32(4)
	if id.From.Addr().Is6() {
		family, offset, length = unix.NFPROTO_IPV6, 8, 16
	}
	mask := make([]byte, length)
	for i := range id.From.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: length, Mask: mask, Xor: make([]byte, length)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: id.From.Masked().Addr().AsSlice()},
	}
}

// renew gives the lease another LeaseTime.
func (r *rules) renew() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conn.FlushSet(r.lease)
	if err := r.conn.SetAddElements(r.lease, []nftables.SetElement{{Key: leaseKey}}); err != nil {
		return err
	}
	return r.conn.Flush()
}

// close deletes the table.
func (r *rules) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conn.DelTable(r.table)
	err := r.conn.Flush()
	if errors.Is(err, unix.ENOENT) {
		err = nil // already gone, with its namespace or by an earlier call
	}
	return errors.Join(err, r.conn.CloseLasting())
}
