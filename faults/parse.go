package faults

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parse reads a schedule. The grammar:
//
//	schedule = step { ";" step } [ ";" ]
//	step     = [ name ":" ] [ cue ] { "for" time | "every" time "x"n } ( fault | draw )
//
//	cue      = "at" time                                since the load began
//	         | "after" step [ "healed" ] [ "+"time ]    a number or a name; its effect, or its healing
//	         | "on" event [ "by" time ] [ "+"time ]     the first that matches; by: since the load began
//	event    = kind [ "name="word ] [ "node="word ] [ "part of its text" ]
//	kind     = "belief" | "declared" | "fault" | "log" | "node" | "owner" | "redundancy"
//
//	fault    = a name of the catalogue and its arguments; see [Usage]
//	draw     = "draw" n "in" time [ "seed" n ] "of" "{" item { ";" item } "}"
//	item     = [ "for" time ] fault
//
//	nodes    = "primary" | "replica" | "arbiter" | "proxy" | "unknown" | node | "zone:"name
//	         | nodes "," nodes | "not" nodes | "random("seed")" "of" nodes
//	side     = part { "+" part }                        part = nodes | "clients:"zone | "rest"
//	link     = [ ( side | "everybody" ) ">" ] nodes [ ( "tcp" | "udp" | "icmp" ) [ "/"port ] ]
//
// "every" repeats a step, from its cue on; without a cue, from one period
// after the load began. Repeated steps count one each. "clients:data" are those
// of the data network. A fault is healed when the load has ended, unless "for"
// says how long it lasts.
//
//	at 2s kill primary
//	at 5s for 3s partition primary | rest
//	down: at 2s kill primary; after down +500ms pause redis-2
//	on declared "+odown" by 8s kill sentinel-1
//	every 2s x3 blink echo 50ms
//	at 2s draw 3 in 10s of { for 1s pause primary; for 2s delay everybody > replica 20ms }
//
// Errors are of type [*SyntaxError]. Whether the steps fit a load, and refer
// to steps that are there, is for [Schedule.Validate] to say.
func Parse(text string) (Schedule, error) {
	p := &parser{scanner{text: text}}
	if len(text) > maxText {
		p.fail(maxText, "at most "+strconv.Itoa(maxText)+" characters")
	}
	var s Schedule
	for {
		at := p.here()
		s = append(s, p.step()...)
		if p.err == nil && len(s) > maxSteps {
			p.fail(at, "at most "+strconv.Itoa(maxSteps)+" steps")
		}
		if !p.accept(';') || p.end() {
			break
		}
	}
	if !p.end() {
		p.fail(p.pos, `";" or the end`)
	}
	if p.err != nil {
		return nil, p.err
	}
	return s, nil
}

// The bounds of a schedule read from text.
const (
	maxSteps = 1000
	maxText  = 64 << 10
)

type parser struct{ scanner }

var cueWords = []string{"at", "after", "on", "every"}

// step reads one step, which is several where it is repeated.
func (p *parser) step() Schedule {
	var s Step
	s.Name = p.stepName()
	cued := p.cue(&s)
	from := p.here()
	var every time.Duration
	times := uint64(0)
	for {
		switch {
		case s.For == 0 && p.keyword("for"):
			at := p.here()
			if s.For = p.duration("how long"); s.For == 0 {
				p.fail(at, "a length above 0")
			}
			continue
		case times == 0 && p.keyword("every"):
			every = p.duration("a period")
			times = p.times()
			continue
		}
		break
	}
	if !cued && times == 0 {
		p.fail(from, `when: "at", "after", "on" or "every"`, slices.Concat(cueWords, []string{"for"})...)
	}
	if p.peek("{") == "draw" {
		at := p.here()
		s.Fault = p.draw()
		if s.For != 0 {
			p.fail(at, "a fault: a draw has no length of its own")
		}
	} else {
		s.Fault = p.fault()
	}
	if p.err != nil {
		return nil
	}
	if times == 0 {
		return Schedule{s}
	}
	if !cued {
		s.At = every
	}
	if s.At+time.Duration(times)*every > maxTime {
		p.fail(from, "repetitions that end within "+maxTime.String())
		return nil
	}
	return Repeat(int(times), every, s)
}

// stepName reads "name:" if it is next.
func (p *parser) stepName() string {
	at := p.here()
	w := p.peek(":")
	if w == "" || !strings.HasPrefix(p.text[p.pos+len(w):], ":") {
		return ""
	}
	if !isStepName(w) {
		p.fail(at, "a step's name: a letter, then letters, digits and '-'")
		return ""
	}
	p.pos += len(w) + 1
	return w
}

// times reads "x3".
func (p *parser) times() uint64 {
	at := p.here()
	digits, ok := strings.CutPrefix(p.word(""), "x")
	n, err := strconv.ParseUint(digits, 10, 16)
	if !ok || err != nil || n < 1 || n > maxSteps {
		p.fail(at, "how often, from x1 to x"+strconv.Itoa(maxSteps))
		return 0
	}
	return n
}

func (p *parser) cue(s *Step) bool {
	switch {
	case p.keyword("at"):
		s.At = p.duration("a time since the load began")
		return true
	case p.keyword("after"):
		at := p.here()
		s.Cue = Cue{Kind: CueEffect, Step: p.name("the number or the name of a step")}
		if n, err := strconv.ParseUint(s.Cue.Step, 10, 16); err == nil {
			s.Cue.Step = strconv.FormatUint(n, 10)
		} else if p.err == nil && !isStepName(s.Cue.Step) {
			p.fail(at, "the number or the name of a step")
		}
		if p.keyword("healed") {
			s.Cue.Kind = CueHealing
		}
	case p.keyword("on"):
		s.Cue = Cue{Kind: CueEvent, Match: p.match()}
		if p.keyword("by") {
			at := p.here()
			if s.Cue.By = p.duration("a time since the load began"); s.Cue.By == 0 {
				p.fail(at, "a time above 0")
			}
		}
	default:
		return false
	}
	if p.accept('+') {
		s.At = p.duration("a delay")
	}
	return true
}

func (p *parser) match() (m Match) {
	at := p.here()
	kind := p.word("")
	if !slices.Contains(eventKinds, kind) {
		p.fail(at, "a kind of event ("+strings.Join(eventKinds, ", ")+")", eventKinds...)
		return m
	}
	m.Kind = EventKind(kind)
	for _, part := range []struct {
		prefix string
		into   *string
	}{{"name=", &m.Name}, {"node=", &m.Node}} {
		if strings.HasPrefix(p.peek(""), part.prefix) {
			p.pos += len(part.prefix)
			*part.into = p.value("a word, or a text between double quotes")
		}
	}
	if !p.end() && p.text[p.pos] == '"' {
		m.Text, _ = p.quoted()
	}
	return m
}

func (p *parser) draw() Fault {
	var d Draw
	p.expect("draw")
	d.N = int(p.number("how many", 1, maxDrawn))
	p.expect("in")
	d.Window = p.duration("how long a window")
	if p.keyword("seed") {
		d.Seed = p.number("a seed", 1, 1<<64-1)
	}
	p.expect("of")
	if !p.accept('{') {
		p.fail(p.pos, `"{" and the faults to draw from`)
	}
	for {
		var m Step
		if p.keyword("for") {
			at := p.here()
			if m.For = p.duration("how long"); m.For == 0 || m.For > d.Window {
				p.fail(at, "a length above 0 and within the window")
			}
		}
		m.Fault = p.fault()
		d.Menu = append(d.Menu, m)
		if p.err != nil || !p.accept(';') {
			break
		}
	}
	if !p.accept('}') {
		p.fail(p.pos, `";" or "}"`)
	}
	return d
}

// fault reads one fault of the catalogue with its arguments.
func (p *parser) fault() Fault {
	at := p.here()
	name := p.word("")
	s, ok := syntaxes[name]
	if !ok {
		p.fail(at, "a fault", slices.Sorted(maps.Keys(syntaxes))...)
		return nil
	}
	f := s.parse(p)
	if p.err != nil {
		return nil
	}
	return f
}
