package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Names of the actions on a node's name resolution.
const (
	ActionDNSSilence = "dns-silence"
	ActionDNSAnswer  = "dns-answer"
)

// DNSAnswerParams are the parameters of ActionDNSAnswer.
type DNSAnswerParams struct {
	Code uint8 `json:"code"` // RFC 1035 section 4.1.1: 2 server failure, 3 no such name, 5 refused
}

const (
	dnsPort = 53
	// priorityAnswer comes before the engine's own translation of its
	// resolver's address (-100).
	priorityAnswer = -110
)

// engineResolver is where the engine's resolver listens inside containers of a
// network of their own.
var engineResolver = netip.AddrFrom4([4]byte{127, 0, 0, 11})

// The answers are lost, not the questions: a question dropped on its way out
// would give the asker an error at once instead of a time-out.
var _ = register(Action{
	Name: ActionDNSSilence,
	Doc:  "no answer of a name server reaches the node: look-ups time out",
	Use:  []string{"nftables"},
	Lost: WithNamespace,
	Apply: func(_ context.Context, t *Target) (Evidence, error) {
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		seen := Evidence{Before: monotonic(), How: "rule list"}
		err = life.AddTable(t.ID, func(r *Rules) {
			in := r.Chain("in", nftables.ChainHookInput, priorityCut, nftables.ChainTypeFilter)
			r.Add(in, "engine's resolver", matchAddress(engineResolver, false), count(), drop())
			for _, proto := range []string{"udp", "tcp"} {
				r.Add(in, proto, FilterParams{Proto: proto, SourcePort: dnsPort, local: true}.match(), count(), drop())
			}
		})
		seen.After = monotonic()
		return seen, err
	},
	Verify: func(_ context.Context, t *Target, applied Evidence) (Evidence, error) {
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		before, err := rulesByTag(life, t.ID)
		if err != nil {
			return Evidence{}, err
		}
		asked, err := ask(life)
		if err == nil && asked {
			err = awaitCounted(life, t.ID, before, map[string]bool{"engine's resolver": true})
			applied.How = "rule counter"
		}
		if applied.Before == 0 {
			applied.Before, applied.After = monotonic(), monotonic()
		}
		return applied, err
	},
	Undo: undoTable, Undone: tableGone,
})

// ask sends a question to the engine's resolver from a node's namespace, and
// tells whether the node uses that one. The question is for the node's own
// container, which the engine knows: nothing is forwarded anywhere.
func ask(life *Life) (bool, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/etc/resolv.conf", life.pid))
	if err != nil || !strings.Contains(string(text), engineResolver.String()) {
		return false, nil // it has no resolver, or one that we may not bother
	}
	question := []byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, label := range strings.Split(life.node.container, ".") {
		question = append(append(question, byte(len(label))), label...)
	}
	question = append(question, 0, 0, 1, 0, 1) // end of name, type A, class IN
	err = life.InNetwork(func() error {
		conn, err := net.Dial("udp", netip.AddrPortFrom(engineResolver, dnsPort).String())
		if err != nil {
			return err
		}
		_, err = conn.Write(question)
		// The answer must find the socket open, or the kernel would count it
		// as refused; whoever waits for it closes this a moment later.
		time.AfterFunc(time.Second, func() { _ = conn.Close() })
		return err
	})
	return err == nil, err
}

var _ = register(Action{
	Name: ActionDNSAnswer,
	Doc:  "every look-up of the node is answered with an error: no such name, server failure",
	Use:  []string{"nftables"},
	Lost: WithNamespace,
	Apply: func(_ context.Context, t *Target) (Evidence, error) {
		var p DNSAnswerParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		if p.Code == 0 || p.Code > 15 {
			return Evidence{}, fmt.Errorf("response code %d: want 1 to 15", p.Code)
		}
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		if old, ok := t.State.(*answerer); ok {
			if old.life == life {
				return old.since, nil
			}
			old.stop()
		}
		seen := Evidence{Before: monotonic(), How: "own answer"}
		a, err := startAnswerer(life, p.Code)
		if err != nil {
			return Evidence{}, err
		}
		err = life.AddTable(t.ID, a.redirect)
		if err == nil {
			if err = forgetQuestions(life); err != nil {
				err = errors.Join(err, life.DropTable(t.ID))
			}
		}
		if err != nil {
			a.stop()
			return Evidence{}, err
		}
		seen.After = monotonic()
		a.since = seen
		t.State = a
		return seen, nil
	},
	Verify: func(_ context.Context, t *Target, applied Evidence) (Evidence, error) {
		a, ok := t.State.(*answerer)
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		if !ok || a.life != life {
			return Evidence{}, errors.New("nobody answers")
		}
		if applied.Before == 0 {
			applied = a.since
		}
		before := a.answered.Load()
		asked, err := ask(life)
		if err != nil || !asked {
			return applied, err
		}
		answered, err := eventually(300*time.Millisecond, time.Millisecond, func() (bool, error) { return a.answered.Load() > before, nil })
		if err == nil && !answered {
			err = errors.New("a question of the node was not answered by us")
		}
		applied.Detail = "a question sent in the node's namespace was answered by us"
		return applied, err
	},
	Undo: func(ctx context.Context, t *Target) (Evidence, error) {
		seen, err := undoTable(ctx, t)
		if a, ok := t.State.(*answerer); ok {
			a.stop()
			t.State = nil
			if err == nil {
				err = forgetQuestions(a.life)
			}
		}
		return seen, err
	},
	Undone: tableGone,
})

// forgetQuestions makes the kernel forget where the node's questions went.
// Addresses are translated for the first packet of a flow only, and a flow is
// remembered for half a minute (nf_conntrack_udp_timeout): a question from a
// port that was used shortly before would still go where that one went.
func forgetQuestions(life *Life) error {
	questions := &netlink.ConntrackFilter{}
	err := errors.Join(questions.AddProtocol(unix.IPPROTO_UDP), questions.AddPort(netlink.ConntrackOrigDstPort, dnsPort))
	if err == nil {
		err = life.InNetwork(func() error {
			_, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, questions)
			return err
		})
	}
	if err != nil && !life.isDead() { // with the node its namespace went
		return fmt.Errorf("forget tracked questions of node %s: %w", life.node.name, err)
	}
	return nil
}

// answerer answers questions inside a node's network namespace.
type answerer struct {
	life     *Life
	conn     *net.UDPConn
	code     uint8
	since    Evidence
	answered atomic.Int64
	done     chan struct{}
	quit     chan struct{}
	once     atomic.Bool
}

func startAnswerer(life *Life, code uint8) (*answerer, error) {
	a := &answerer{life: life, code: code, done: make(chan struct{}), quit: make(chan struct{})}
	err := life.InNetwork(func() (err error) {
		a.conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen in node %s: %w", life.node.name, err)
	}
	go a.answer()
	go func() { // an open socket would keep a dead node's namespace
		select {
		case <-life.dead:
		case <-a.quit:
		}
		_ = a.conn.Close()
	}()
	return a, nil
}

func (a *answerer) stop() {
	if a.once.CompareAndSwap(false, true) {
		close(a.quit)
		<-a.done
	}
}

// answer returns every question with an error code (RFC 1035 section 4.1.1).
func (a *answerer) answer() {
	defer close(a.done)
	buffer := make([]byte, 4096)
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		if n < 12 {
			continue
		}
		const response, recursionAvailable = 0x80, 0x80
		buffer[2] |= response
		buffer[3] = recursionAvailable | a.code
		binary.BigEndian.PutUint16(buffer[6:], 0) // no answers,
		binary.BigEndian.PutUint16(buffer[8:], 0) // no authorities,
		end := questionEnd(buffer[:n])
		binary.BigEndian.PutUint16(buffer[10:], 0) // nothing additional
		if _, err := a.conn.WriteToUDPAddrPort(buffer[:end], from); err == nil {
			a.answered.Add(1)
		}
	}
}

// questionEnd is where the first question ends: its name, type and class.
func questionEnd(message []byte) int {
	at := 12
	for at < len(message) && message[at] != 0 {
		at += int(message[at]) + 1
	}
	return min(at+5, len(message))
}

// redirect sends the node's questions, to whichever server, to us.
func (a *answerer) redirect(r *Rules) {
	out := r.Chain("out", nftables.ChainHookOutput, priorityAnswer, nftables.ChainTypeNAT)
	port := uint16(a.conn.LocalAddr().(*net.UDPAddr).Port)
	r.Add(out, "questions", FilterParams{Proto: "udp", Port: dnsPort, local: true}.match(), []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.NFPROTO_IPV4}},
	}, count(), []expr.Any{
		&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
		&expr.Redir{RegisterProtoMin: 1},
	})
}
