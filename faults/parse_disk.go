package faults

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hadrill/hadrill/faults/disk"
)

// onDisk is the syntax of a disk that answers differently: which nodes, where
// they have it, what is the matter, and with which operations.
func onDisk(name string, of func(p *parser) disk.Behaviour) func(*parser) Fault {
	return func(p *parser) Fault {
		aim, path := p.nodes(), p.path()
		at := p.here()
		b := of(p)
		if on, at, ok := p.option("on"); ok {
			for _, o := range strings.Split(on, ",") {
				if !slices.Contains([]disk.Op{disk.Read, disk.Write, disk.Sync}, disk.Op(o)) {
					p.fail(at, "on=read, write or sync, joined by ','")
				}
				b.On = append(b.On, disk.Op(o))
			}
		}
		if err := b.Validate(); err != nil {
			p.fail(at, "a behaviour that can be ("+strings.TrimPrefix(err.Error(), "disk: ")+")")
		}
		return ailing{name, aim, path, b}
	}
}

// path reads where nodes have a disk, if that is said.
func (p *parser) path() string {
	if w := p.peek(""); strings.HasPrefix(w, "/") {
		return p.word("")
	}
	return ""
}

var (
	_ = written("power-cut", "NODES [clients=ZONE,...]", func(p *parser) Fault {
		return PowerCut(p.nodes(), p.clients()...)
	})
	_ = written("disk-hang", "NODES [/PATH] [on=read,write,sync]", onDisk("disk-hang", func(p *parser) disk.Behaviour {
		p.keyword("hang")
		return disk.Behaviour{Hang: true}
	}))
	_ = written("lying-sync", "NODES [/PATH]", onDisk("lying-sync", func(p *parser) disk.Behaviour {
		p.keyword("lying-sync")
		return disk.Behaviour{LyingSync: true}
	}))
	_ = written("disk-slow", "NODES [/PATH] TIME [on=read,write,sync]", onDisk("disk-slow", func(p *parser) (b disk.Behaviour) {
		p.argument("latency", "a time such as 50ms, at most 1m", func(v string) bool {
			d, err := time.ParseDuration(v)
			b.Latency = d
			return err == nil && d > 0
		})
		return b
	}))
	_ = written("disk-error", "NODES [/PATH] EIO|ENOSPC|EROFS|EDQUOT [share=SHARE%] [on=read,write,sync]", onDisk("disk-error", func(p *parser) (b disk.Behaviour) {
		p.argument("error", "EIO, ENOSPC, EROFS or EDQUOT", func(v string) bool {
			b.Error = v
			return slices.Contains([]string{"EIO", "ENOSPC", "EROFS", "EDQUOT"}, v)
		})
		if share, at, ok := p.option("share"); ok {
			if expected := parsePercent(share, &b.Share); expected != "" {
				p.fail(at, "share: "+expected)
			}
		}
		return b
	}))
	_ = written("disk-full", "NODES [/PATH] [leave=BYTES]", func(p *parser) Fault {
		aim, path := p.nodes(), p.path()
		var leave int64
		if value, at, ok := p.option("leave"); ok {
			var err error
			if leave, err = strconv.ParseInt(value, 10, 64); err != nil || leave <= 0 {
				p.fail(at, "leave=BYTES, above 0")
			}
		}
		return DiskFull(aim, path, leave)
	})
)
