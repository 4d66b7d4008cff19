package netem

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/hadrill/hadrill/faults/impair"
)

// Attributes of struct tc_netem_qopt's message that the netlink library does
// not write: the distribution table, burst loss and nanosecond times.
const (
	attrCorrelation  = 1
	attrDistribution = 2
	attrReorder      = 3
	attrCorrupt      = 4
	attrLoss         = 5
	attrLatency64    = 10
	attrJitter64     = 11

	lossGilbertElliott = 2

	tableSize  = 4096
	tableScale = 8192 // NETEM_DIST_SCALE: one standard deviation

	// limit is how many packets netem holds: two seconds at 50,000 a second.
	limit = 100_000
)

var ne = binary.NativeEndian

// Supports reports what netem cannot do.
func Supports(im impair.Impairment) error {
	if im.InOrder {
		return fmt.Errorf("netem: %s: cannot keep the order of packets under jitter", im)
	}
	return nil
}

// set makes netem the root queueing discipline of a device, or changes it.
func set(index int, im *impair.Impairment) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK)
	req.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL, Ifindex: int32(index), Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT})
	req.AddData(nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated("netem")))
	req.AddData(options(im))
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func options(im *impair.Impairment) *nl.RtAttr {
	q := nl.TcNetemQopt{Limit: limit, Loss: share(im.Loss), Duplicate: share(im.Duplicate)}
	if im.Reorder > 0 {
		q.Gap = 1
	}
	o := nl.NewRtAttr(nl.TCA_OPTIONS, q.Serialize())
	o.AddRtAttr(attrCorrelation, make([]byte, 12))
	o.AddRtAttr(attrReorder, words(share(im.Reorder), 0))
	o.AddRtAttr(attrCorrupt, words(share(im.Corrupt), 0))
	o.AddRtAttr(attrLatency64, ne.AppendUint64(nil, uint64(im.Delay)))
	o.AddRtAttr(attrJitter64, ne.AppendUint64(nil, uint64(im.Jitter)))
	if im.Jitter > 0 && im.Distribution != impair.Uniform {
		o.AddRtAttr(attrDistribution, table(im.Distribution))
	}
	if b := im.Burst; b != nil {
		loss := o.AddRtAttr(attrLoss|unix.NLA_F_NESTED, nil)
		loss.AddRtAttr(lossGilbertElliott, words(share(b.EnterBad), share(b.LeaveBad), share(1-b.LossBad), share(b.LossGood)))
	}
	return o
}

func words(v ...uint32) []byte {
	var b []byte
	for _, w := range v {
		b = ne.AppendUint32(b, w)
	}
	return b
}

// share is a probability as netem compares it with a 32-bit random number.
func share(p float64) uint32 { return uint32(math.Round(p * math.MaxUint32)) }

// table is the inverse of a distribution with mean 0 and deviation 1, which
// netem indexes with a random number.
func table(d impair.Distribution) []byte {
	b := make([]byte, 0, 2*tableSize)
	for i := range tableSize {
		z := quantile(d, (float64(i)+0.5)/tableSize)
		b = ne.AppendUint16(b, uint16(int16(math.Round(max(-4, min(z, 3.999))*tableScale))))
	}
	return b
}

func quantile(d impair.Distribution, q float64) float64 {
	if d == impair.Pareto {
		return (math.Pow(1-q, -1.0/3) - 1.5) / math.Sqrt(0.75)
	}
	return math.Sqrt2 * math.Erfinv(2*q-1)
}
