package draw

import "fmt"

// Stack is one recovery, split: parts in seconds, negative when unseen.
type Stack struct {
	Name                                string
	Detect, Failover, Reconnect, Settle float64
	RTO                                 float64
	Censored                            bool
	Href                                string
}

// Recovery draws one bar a recovery: detect, failover, reconnect, settle. A
// recovery that did not end inside the run is drawn open to the right.
// target and limit (seconds) are lines; negative draws none.
func Recovery(rows []Stack, target, limit float64) *Picture {
	const rowH, bar, left, right = 24.0, 14.0, 210.0, 860.0
	p := &Picture{W: filmWidth, Title: "Recovery time, split"}
	hi := max(target, 0)
	for _, r := range rows {
		hi = max(hi, r.RTO)
		p.Desc += fmt.Sprintf("%s: rto %s. ", r.Name, stackTotal(r))
	}
	if limit > 0 && limit < hi*2 {
		hi = max(hi, limit)
	}
	if hi <= 0 {
		hi = 1
	}
	top := 18.0
	bottom := top + rowH*float64(len(rows))
	x := scale{lo: 0, hi: hi * 1.05, a: left, b: right}
	for _, t := range ticks(0, hi*1.05, 8) {
		p.line("ax", Point{x.at(t), top}, Point{x.at(t), bottom})
		p.text("sft", x.at(t), bottom+14, Middle, tickSeconds(t))
	}
	p.text("sft", left-8, bottom+14, End, "s")
	var parts [4]Shape // one path a part: ten repetitions must not cost ten times the bytes
	for i, name := range partNames {
		parts[i] = Shape{Class: fmt.Sprintf("s%d", i+1), Title: name}
	}
	open := Shape{Class: hatch, Title: "not split, or not recovered when the run ended"}
	y := top
	for _, r := range rows {
		for i, span := range r.spans() {
			if span[1] > span[0] {
				parts[i].Rects = append(parts[i].Rects, Rect{x.at(span[0]), y + 4, max(0, x.at(span[1])-x.at(span[0])-.6), bar})
			}
		}
		if from, to := r.unseen(); to > from {
			open.Rects = append(open.Rects, Rect{x.at(from), y + 4, max(2, x.at(to)-x.at(from)), bar})
		}
		y += rowH
	}
	p.add(parts[:]...)
	p.add(open)
	y = top
	for _, r := range rows {
		p.add(Shape{Class: "txt", Href: r.Href, Labels: []Label{{Point{left - 8, y + 15}, shorten(r.Name, left-12, 11), End}}})
		p.add(Shape{Class: "txb", Title: r.split(), Labels: []Label{{Point{x.at(r.reach()) + 6, y + 15}, stackTotal(r), Start}}})
		y += rowH
	}
	if target >= 0 {
		p.line("slo", Point{x.at(target), top - 4}, Point{x.at(target), bottom})
		p.text("hot", x.at(target), top-7, Middle, "target "+Seconds(target))
	}
	if limit > 0 && limit <= hi && limit != target {
		p.line("slo", Point{x.at(limit), top - 4}, Point{x.at(limit), bottom})
		if gap := x.at(limit) - x.at(max(target, 0)); gap > 80 {
			p.text("hot", x.at(limit), top-7, Middle, "limit "+Seconds(limit))
		}
	}
	at := left
	for i, name := range partNames {
		p.rect(fmt.Sprintf("s%d", i+1), Rect{at, bottom + 22, 10, 10}, "")
		p.text("sft", at+14, bottom+31, Start, name)
		at += 80
	}
	p.H = bottom + 38
	return p
}

var partNames = [4]string{"detect", "failover", "reconnect", "settle"}

func (r Stack) parts() [4]float64 { return [4]float64{r.Detect, r.Failover, r.Reconnect, r.Settle} }

// spans places the parts that were seen: those before the first unseen one
// from zero on, those after the last unseen one backwards from rto.
func (r Stack) spans() (spans [4][2]float64) {
	at := 0.0
	parts := r.parts()
	i := 0
	for ; i < 4 && parts[i] >= 0; i++ {
		spans[i] = [2]float64{at, at + parts[i]}
		at += parts[i]
	}
	if r.Censored {
		return spans
	}
	end := r.RTO
	for k := 3; k > i && parts[k] >= 0; k-- {
		spans[k] = [2]float64{max(at, end-parts[k]), end}
		end -= parts[k]
	}
	return spans
}

// reach is where the bar ends: a failure may be declared although nothing
// broke, and then the parts go beyond an rto of zero.
func (r Stack) reach() float64 {
	end := max(r.RTO, 0)
	for _, s := range r.spans() {
		end = max(end, s[1])
	}
	return end
}

// unseen is the stretch of the recovery that no part explains.
func (r Stack) unseen() (from, to float64) {
	to = r.RTO
	for _, s := range r.spans() {
		switch {
		case s[1] <= s[0]:
		case s[0] <= from+1e-9:
			from = s[1]
		default:
			to = min(to, s[0])
		}
	}
	if to-from < r.RTO*1e-3 {
		return 0, 0
	}
	return from, to
}

// split says the parts in words.
func (r Stack) split() string {
	s := ""
	for i, v := range r.parts() {
		if v >= 0 {
			if s != "" {
				s += " + "
			}
			s += partNames[i] + " " + Seconds(v)
		}
	}
	return s
}

func stackTotal(r Stack) string {
	switch {
	case r.RTO < 0:
		return "not measured"
	case r.Censored:
		return "> " + Seconds(r.RTO)
	}
	return Seconds(r.RTO)
}
