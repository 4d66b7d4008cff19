package impair

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// The packet queue's messages, written by hand because they are built and read
// tens of thousands of times a second. Source: linux/netfilter/nfnetlink.h and
// nfnetlink_queue.h.
//
//	 0            4     6     8      12     16       18  20
//	┌────────────┬─────┬─────┬──────┬──────┬────────┬───┬──────────────┐
//	│ length     │type │flags│ seq  │ port │fam ver │ q │ attributes.. │
//	└────────────┴─────┴─────┴──────┴──────┴────────┴───┴──────────────┘
//	  struct nlmsghdr, host order            nfgenmsg, q: queue, network order
const (
	subsystemQueue = 3 << 8

	msgPacket  = subsystemQueue
	msgVerdict = subsystemQueue | 1
	msgConfig  = subsystemQueue | 2

	cfgCommand   = 1
	cfgParams    = 2
	cfgMaxLength = 3
	cfgMask      = 4
	cfgFlags     = 5

	cmdBind   = 1
	cmdUnbind = 2

	copyMeta   = 1
	copyPacket = 2

	flagFailOpen = 1 << 0
	flagGSO      = 1 << 2

	attrPacketHeader  = 1
	attrVerdictHeader = 2
	attrPayload       = 10

	verdictDrop   = 0
	verdictAccept = 1

	headerLength = 20
)

var be, ne = binary.BigEndian, binary.NativeEndian

// message appends the head of a message and returns where its length stands,
// for finish.
func message(b []byte, typ, flags uint16, seq uint32, queue uint16) ([]byte, int) {
	start := len(b)
	b = ne.AppendUint32(b, 0)
	b = ne.AppendUint16(b, typ)
	b = ne.AppendUint16(b, flags)
	b = ne.AppendUint32(b, seq)
	b = ne.AppendUint32(b, 0)
	b = append(b, unix.AF_UNSPEC, 0)
	return be.AppendUint16(b, queue), start
}

func finish(b []byte, start int) []byte {
	ne.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

func attribute(b []byte, typ uint16, value ...byte) []byte {
	b = ne.AppendUint16(b, uint16(4+len(value)))
	b = ne.AppendUint16(b, typ)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func appendVerdict(b []byte, queue uint16, id, verdict uint32, payload []byte) []byte {
	b, start := message(b, msgVerdict, unix.NLM_F_REQUEST, 0, queue)
	b = ne.AppendUint16(b, 12)
	b = ne.AppendUint16(b, attrVerdictHeader)
	b = be.AppendUint32(b, verdict)
	b = be.AppendUint32(b, id)
	if payload != nil {
		b = attribute(b, attrPayload, payload...)
	}
	return finish(b, start)
}

func configCommand(seq uint32, queue uint16, command byte) []byte {
	b, start := message(nil, msgConfig, unix.NLM_F_REQUEST|unix.NLM_F_ACK, seq, queue)
	return finish(attribute(b, cfgCommand, command, 0, 0, 0), start)
}

// configMode sets how much of a packet is copied and whether super-packets are
// cut before they are queued.
func configMode(seq uint32, queue uint16, im *Impairment) []byte {
	b, start := message(nil, msgConfig, unix.NLM_F_REQUEST|unix.NLM_F_ACK, seq, queue)
	mode := byte(copyMeta)
	if im.payload() {
		mode = copyPacket
	}
	b = attribute(b, cfgParams, 0, 0, 0xff, 0xff, mode)
	b = attribute(b, cfgMaxLength, be.AppendUint32(nil, maxHeld)...)
	flags := uint32(flagGSO)
	if im.perPacket() {
		flags = 0
	}
	b = attribute(b, cfgMask, be.AppendUint32(nil, flagGSO)...)
	b = attribute(b, cfgFlags, be.AppendUint32(nil, flags)...)
	return finish(b, start)
}

// packet is one queued packet as the kernel describes it. Payload points into
// the receive buffer and is empty when only the description was asked for.
type packet struct {
	id      uint32
	queue   uint16
	payload []byte
}

// reply is the kernel's answer to a numbered request.
type reply struct {
	seq uint32
	err error
}

// parse walks the messages of one datagram.
func parse(b []byte, onPacket func(packet), onReply func(reply)) error {
	for len(b) >= headerLength {
		length := int(ne.Uint32(b))
		if length < headerLength || length > len(b) {
			return fmt.Errorf("packet queue: message of %d bytes in a datagram of %d", length, len(b))
		}
		switch m := b[:length]; ne.Uint16(m[4:]) {
		case msgPacket:
			if p, ok := parsePacket(m); ok {
				onPacket(p)
			}
		case unix.NLMSG_ERROR:
			r := reply{seq: ne.Uint32(m[8:])}
			if code := int32(ne.Uint32(m[16:])); code != 0 {
				r.err = unix.Errno(-code)
			}
			onReply(r)
		}
		b = b[min(len(b), (length+3)&^3):]
	}
	return nil
}

func parsePacket(m []byte) (p packet, ok bool) {
	p.queue = be.Uint16(m[18:])
	for a := m[headerLength:]; len(a) >= 4; {
		length, typ := int(ne.Uint16(a)), ne.Uint16(a[2:])&0x3fff
		if length < 4 || length > len(a) {
			return p, ok
		}
		switch {
		case typ == attrPacketHeader && length >= 8:
			p.id, ok = be.Uint32(a[4:]), true
		case typ == attrPayload:
			p.payload = a[4:length]
		}
		a = a[min(len(a), (length+3)&^3):]
	}
	return p, ok
}
