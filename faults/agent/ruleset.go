package agent

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// TablePrefix begins the name of every nftables table the agent makes.
const TablePrefix = "hadrill_"

// tableFlagOwner is NFT_TABLE_F_OWNER of linux/netfilter/nf_tables.h (Linux
// 5.12): the kernel deletes the table with the socket that made it.
const tableFlagOwner = 2

// ruleset is one lasting netlink socket into a node's network namespace and
// the tables that it owns. One socket for all tables: opening one costs half a
// millisecond, a transaction on an open one a tenth of that.
//
// Deleting a base chain makes the kernel drop every packet that waits in a
// queue of the namespace, also another fault's (nf_queue_nf_hook_drop, Linux).
// So a table stays when its damage is healed, without its rules: an empty chain
// accepts. It goes with the socket, or with the namespace.
type ruleset struct {
	mu     sync.Mutex
	conn   *nftables.Conn
	raw    *netlink.Conn
	tables map[string]*nftables.Table // with their rules
	empty  map[string]*nftables.Table // healed
}

// rulesOf returns the life's ruleset, opening it at the first call.
func (l *Life) rulesOf() (*ruleset, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, fmt.Errorf("node %s: %w", l.node.name, ErrNotRunning)
	case l.netns < 0:
		return nil, fmt.Errorf("node %s has no network namespace of its own: network faults need one", l.node.name)
	case l.rules != nil:
		return l.rules, nil
	}
	r, err := openRuleset(l.netns)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", l.node.name, err)
	}
	l.rules = r
	return r, nil
}

// openRuleset opens a lasting netfilter socket in the namespace.
func openRuleset(netns int) (*ruleset, error) {
	r := &ruleset{tables: map[string]*nftables.Table{}, empty: map[string]*nftables.Table{}}
	conn, err := nftables.New(nftables.WithNetNSFd(netns), nftables.AsLasting(),
		nftables.WithSockOptions(func(c *netlink.Conn) error { r.raw = c; return nil }))
	if err != nil {
		return nil, fmt.Errorf("open nftables in the network namespace: %w", err)
	}
	r.conn = conn
	return r, nil
}

func (r *ruleset) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, table := range r.empty { // where the kernel knows no owner
		r.conn.DelTable(table)
	}
	_ = r.conn.Flush() // an error says that the namespace is gone
	_ = r.conn.CloseLasting()
}

// Rules builds the chains and rules of one table; see [Life.AddTable].
type Rules struct {
	Conn  *nftables.Conn
	Table *nftables.Table
}

// AddTable makes an nftables table in the node's network namespace, filled by
// build, in one transaction. A table of that name that is already ours is left
// as it is. The name gets TablePrefix.
func (l *Life) AddTable(name string, build func(r *Rules)) error {
	r, err := l.rulesOf()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tables[name] != nil {
		return nil
	}
	table := r.empty[name]
	if table == nil {
		table = &nftables.Table{Family: nftables.TableFamilyINet, Name: TablePrefix + name}
		if err := r.createTable(table); err != nil {
			return fmt.Errorf("create nftables table %s in node %s: %w", table.Name, l.node.name, err)
		}
	}
	delete(r.empty, name)
	build(&Rules{Conn: r.conn, Table: table})
	if err := r.conn.Flush(); err != nil {
		r.conn.DelTable(table)
		return errors.Join(fmt.Errorf("fill nftables table %s in node %s: %w", table.Name, l.node.name, err), ignoreAbsent(r.conn.Flush()))
	}
	r.tables[name] = table
	return nil
}

// DropTable ends a table that AddTable made: of one of this process the rules
// are deleted and the empty chains stay, see ruleset; one of an earlier process
// goes whole. A table that is not there is fine.
func (l *Life) DropTable(name string) error {
	r, err := l.rulesOf()
	if errors.Is(err, ErrNotRunning) {
		return nil // went with its namespace
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	table := r.tables[name]
	switch {
	case table != nil:
		r.conn.FlushTable(table)
	case r.empty[name] != nil:
		return nil
	default:
		r.conn.DelTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: TablePrefix + name})
	}
	if err := ignoreAbsent(r.conn.Flush()); err != nil {
		return fmt.Errorf("delete the rules of nftables table %s%s of node %s: %w", TablePrefix, name, l.node.name, err)
	}
	if table != nil {
		delete(r.tables, name)
		r.empty[name] = table
	}
	return nil
}

// TableRule is a rule as the kernel lists it.
type TableRule struct {
	Tag     string // as given to Rules.Add
	Packets uint64 // of its counter
}

// ListTable reads a table's rules back from the kernel, with their counters.
// It returns false when the table is not there.
func (l *Life) ListTable(name string) ([]TableRule, bool, error) {
	r, err := l.rulesOf()
	if err != nil {
		return nil, false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rules, present, err := r.list(name)
	if err != nil {
		return nil, false, fmt.Errorf("node %s: %w", l.node.name, err)
	}
	return rules, present, nil
}

// list is ListTable with the lock held.
func (r *ruleset) list(name string) ([]TableRule, bool, error) {
	chains, err := r.conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, false, fmt.Errorf("list nftables chains: %w", err)
	}
	var found []TableRule
	present := false
	for _, chain := range chains {
		if chain.Table.Name != TablePrefix+name {
			continue
		}
		present = true
		rules, err := r.conn.GetRules(chain.Table, chain)
		if err != nil {
			return nil, false, fmt.Errorf("list nftables rules: %w", err)
		}
		for _, rule := range rules {
			entry := TableRule{Tag: string(rule.UserData)}
			for _, e := range rule.Exprs {
				if counter, ok := e.(*expr.Counter); ok {
					entry.Packets = counter.Packets
				}
			}
			found = append(found, entry)
		}
	}
	return found, present, nil
}

// tablesNow lists the names of hadrill's tables in the node's namespace, whoever
// made them, but for those that it knows to be healed and that hold no rule.
func (l *Life) tablesNow() ([]string, error) {
	r, err := l.rulesOf()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := r.conn.ListTables()
	if err != nil {
		return nil, fmt.Errorf("list nftables tables of node %s: %w", l.node.name, err)
	}
	var names []string
	for _, t := range all {
		name, ours := strings.CutPrefix(t.Name, TablePrefix)
		if !ours {
			continue
		}
		if r.empty[name] != nil {
			rules, _, err := r.list(name)
			if err != nil {
				return nil, fmt.Errorf("node %s: %w", l.node.name, err)
			}
			if len(rules) == 0 {
				continue
			}
		}
		names = append(names, t.Name)
	}
	return names, nil
}

// createTable sends NEWTABLE itself: the library always writes flags 0, and
// the owner flag can be given at creation only. Kernels without it get a plain
// table, which the undo record then accounts for.
func (r *ruleset) createTable(t *nftables.Table) error {
	err := r.sendTable(t, tableFlagOwner)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		err = r.sendTable(t, 0)
	}
	return err
}

func (r *ruleset) sendTable(t *nftables.Table, flags byte) error {
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(t.Name), 0)},
		{Type: unix.NFTA_TABLE_FLAGS, Data: []byte{0, 0, 0, flags}},
	})
	if err != nil {
		return err
	}
	family := func(f nftables.TableFamily, subsystem byte) []byte {
		return []byte{byte(f), unix.NFNETLINK_V0, 0, subsystem}
	}
	_, err = r.raw.SendMessages([]netlink.Message{
		{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_BEGIN, Flags: netlink.Request}, Data: family(0, unix.NFNL_SUBSYS_NFTABLES)},
		{Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE, Flags: netlink.Request | netlink.Acknowledge | netlink.Create}, Data: append(family(t.Family, 0), attributes...)},
		{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_END, Flags: netlink.Request}, Data: family(0, unix.NFNL_SUBSYS_NFTABLES)},
	})
	if err != nil {
		return err
	}
	_, err = r.raw.Receive() // the acknowledgement, or its error
	return err
}

// Chain adds a base chain that accepts what no rule takes.
func (r *Rules) Chain(name string, hook *nftables.ChainHook, priority int32, kind nftables.ChainType) *nftables.Chain {
	accept := nftables.ChainPolicyAccept
	return r.Conn.AddChain(&nftables.Chain{
		Table: r.Table, Name: name, Type: kind, Hooknum: hook,
		Priority: nftables.ChainPriorityRef(nftables.ChainPriority(priority)), Policy: &accept,
	})
}

// Add appends a rule. The tag is stored with it and read back by ListTable.
func (r *Rules) Add(chain *nftables.Chain, tag string, exprs ...[]expr.Any) {
	var all []expr.Any
	for _, e := range exprs {
		all = append(all, e...)
	}
	r.Conn.AddRule(&nftables.Rule{Table: r.Table, Chain: chain, Exprs: all, UserData: []byte(tag)})
}

// matchAddress matches an IP packet by its source or destination address.
func matchAddress(addr netip.Addr, destination bool) []expr.Any {
	family, offset := byte(unix.NFPROTO_IPV4), uint32(12)
	if addr.Is6() {
		family, offset = unix.NFPROTO_IPV6, 8
	}
	if destination {
		offset += uint32(addr.BitLen() / 8)
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(addr.BitLen() / 8)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: addr.AsSlice()},
	}
}

// count counts the packets that got this far in their rule.
func count() []expr.Any { return []expr.Any{&expr.Counter{}} }

// drop takes the packet away without a word.
func drop() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}} }

// spoil damages the IP header of a packet on its way out, so that the receiving
// host discards it as damaged by the wire. Dropping it here would tell the
// sender: netfilter answers a drop on the output path with EPERM.
func spoil() []expr.Any {
	return []expr.Any{
		// Version 0: no IP stack accepts it, whatever it thinks of checksums.
		&expr.Immediate{Register: 1, Data: []byte{0x05}},
		&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 0, Len: 1, CsumType: expr.CsumTypeNone},
	}
}

func ignoreAbsent(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
