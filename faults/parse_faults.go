package faults

import (
	"slices"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
)

// syntax is how a fault of the catalogue is written: its name, and then what
// parse reads. What a fault's Spec prints is read back as the same fault.
type syntax struct {
	usage string // the arguments
	parse func(*parser) Fault
}

var syntaxes = map[string]syntax{}

// written enters a fault's syntax, from a package-level variable.
func written(name, usage string, parse func(*parser) Fault) struct{} {
	if _, twice := syntaxes[name]; twice {
		panic("faults: the syntax of " + name + " is given twice")
	}
	syntaxes[name] = syntax{usage, parse}
	return struct{}{}
}

// Usage returns how a fault of the catalogue is written in a text for [Parse],
// "" when it cannot be.
func Usage(fault string) string {
	s, ok := syntaxes[fault]
	if !ok {
		return ""
	}
	return fault + " " + s.usage
}

// onNodes is the syntax of a fault that is aimed at nodes and has no parameters.
func onNodes(of func(harness.Selector) Fault) func(*parser) Fault {
	return func(p *parser) Fault { return of(p.nodes()) }
}

var (
	_ = written("kill", "NODES", onNodes(Kill))
	_ = written("pause", "NODES", onNodes(Pause))
	_ = written("blink", "NODES TIME", func(p *parser) Fault {
		aim := p.nodes()
		at := p.here()
		d := p.duration("for how long")
		if d == 0 {
			p.fail(at, "a length above 0")
		}
		return Blink(aim, d)
	})
	_ = written("stop", "NODES [grace=TIME]", func(p *parser) Fault { return StopWithin(p.nodes(), p.grace()) })
	_ = written("restart", "NODES [grace=TIME]", func(p *parser) Fault { return RestartWithin(p.nodes(), p.grace()) })
	_ = written("power-loss", "NODES [clients=ZONE,...]", func(p *parser) Fault {
		return PowerLoss(p.nodes(), p.clients()...)
	})
	_ = written("partition", "SIDE [| SIDE]", func(p *parser) Fault {
		return Partition{Left: p.side(), Right: p.otherSide('|')}
	})
	_ = written("one-way", "SIDE [> SIDE]", func(p *parser) Fault {
		return OneWay{From: p.side(), To: p.otherSide('>')}
	})
)

// option reads the value of "key=value" if that key is next.
func (p *parser) option(key string) (value string, at int, ok bool) {
	at = p.here()
	w := p.peek("")
	if value, ok = strings.CutPrefix(w, key+"="); ok {
		p.pos += len(w)
	}
	return value, at, ok
}

// argument reads "key=value", or the value alone, and hands it to read, which
// tells whether it is one.
func (p *parser) argument(key, expected string, read func(value string) bool) {
	value, at, keyed := p.option(key)
	if !keyed {
		value = p.word("")
	}
	if !read(value) {
		p.fail(at, key+": "+expected)
	}
}

func (p *parser) grace() time.Duration {
	value, at, ok := p.option("grace")
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 || d >= 30*time.Second {
		p.fail(at, "grace=TIME, above 0 and below 30s")
		return 0
	}
	return d
}

func (p *parser) clients() []string {
	value, at, ok := p.option("clients")
	if !ok {
		return nil
	}
	zones := strings.Split(value, ",")
	for i, zone := range zones {
		if zone == "data" {
			zones[i] = ""
		}
	}
	if slices.ContainsFunc(zones, func(z string) bool { return z != "" && !isName(z) }) {
		p.fail(at, "clients=ZONE,...")
		return nil
	}
	return zones
}
