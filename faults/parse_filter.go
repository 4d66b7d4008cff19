package faults

import (
	"strconv"
	"strings"
	"time"
)

// onLink is the syntax of a fault of a link without parameters.
func onLink(of func(Link) Fault) func(*parser) Fault {
	return func(p *parser) Fault { return of(p.link()) }
}

// whole reads a whole number of the kind that counts something.
func whole(into *uint64, low, high uint64) func(string) bool {
	return func(value string) (ok bool) {
		n, err := strconv.ParseUint(value, 10, 64)
		*into = n
		return err == nil && n >= low && n <= high
	}
}

var (
	_ = written("blackhole", "LINK", onLink(Blackhole))
	_ = written("drop-connects", "LINK", onLink(DropConnects))
	_ = written("refuse-connects", "LINK", onLink(RefuseConnects))
	_ = written("slow-close", "LINK", onLink(SlowClose))
	_ = written("reset-connections", "LINK", onLink(ResetConnections))
	_ = written("dns-timeout", "NODES", onNodes(DNSTimeout))
	_ = written("dns-no-such-name", "NODES", onNodes(DNSNoSuchName))
	_ = written("dns-failure", "NODES", onNodes(DNSFailure))
	_ = written("oom-kill", "NODES", onNodes(OOMKill))
	_ = written("loss", "LINK CHANCE", func(p *parser) Fault {
		l, chance := p.link(), 0.0
		p.argument("chance", "a chance such as 0.1 or 10%, above 0 and at most 1", func(v string) bool {
			digits, percent := strings.CutSuffix(v, "%")
			n, err := strconv.ParseFloat(digits, 64)
			if percent {
				n /= 100
			}
			chance = n
			return err == nil && n > 0 && n <= 1
		})
		return Loss(l, chance)
	})
	_ = written("bandwidth", "NODES out=BYTES in=BYTES", func(p *parser) Fault {
		const expected = "bytes a second; 0 leaves this direction as it is"
		aim := p.nodes()
		var out, in uint64
		p.argument("out", expected, whole(&out, 0, 1<<40))
		p.argument("in", expected, whole(&in, 0, 1<<40))
		return Bandwidth(aim, out, in)
	})
	_ = written("crash-loop", "NODES up=TIME deaths=N", func(p *parser) Fault {
		aim := p.nodes()
		var up time.Duration
		var deaths uint64
		p.argument("up", "how long it runs each time", func(v string) (ok bool) {
			d, err := time.ParseDuration(v)
			up = d
			return err == nil && d >= 0 && d <= maxTime
		})
		p.argument("deaths", "how often it dies, 1 to 1000", whole(&deaths, 1, 1000))
		return CrashLoop(aim, up, int(deaths))
	})
	_ = written("memory-pressure", "NODES leave=BYTES", func(p *parser) Fault {
		aim := p.nodes()
		var leave uint64
		p.argument("leave", "bytes, at least 1048576", whole(&leave, 1<<20, 1<<50))
		return MemoryPressure(aim, int64(leave))
	})
	_ = written("cpu-quota", "NODES cores=N", func(p *parser) Fault {
		aim, cores := p.nodes(), 0.0
		p.argument("cores", "processors, 0.05 to 1024", func(v string) bool {
			n, err := strconv.ParseFloat(v, 64)
			cores = n
			return err == nil && n >= 0.05 && n <= 1024
		})
		return SlowCPU(aim, cores)
	})
	_ = written("half-open", "NODES keeps, NODES loses", func(p *parser) Fault {
		var h HalfOpen
		h.Keeps = p.nodes()
		if !p.keywordIn("keeps") || !p.accept(',') {
			p.fail(p.pos, `"keeps,"`, "keeps")
		}
		h.Loses = p.nodes()
		p.expect("loses")
		return h
	})
)
