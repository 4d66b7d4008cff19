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
	y := top
	for _, r := range rows {
		p.add(Shape{Class: "txt", Href: r.Href, Labels: []Label{{Point{left - 8, y + 15}, shorten(r.Name, left-12, 11), End}}})
		at := 0.0
		seen := false
		for i, part := range []struct {
			name string
			v    float64
		}{{"detect", r.Detect}, {"failover", r.Failover}, {"reconnect", r.Reconnect}, {"settle", r.Settle}} {
			if part.v < 0 {
				continue
			}
			seen = seen || part.v > 0
			from, to := x.at(at), x.at(at+part.v)
			p.rect(fmt.Sprintf("s%d", i+1), Rect{from, y + 4, max(0, to-from-.6), bar}, part.name+" "+Seconds(part.v))
			if w := width(part.name, 10.5) + 8; to-from > w && (i == 0 || i == 2) {
				p.text("wht", from+5, y+15, Start, part.name)
			}
			at += part.v
		}
		if rest := r.RTO - at; r.Censored || (!seen && rest > 0) {
			title := "not split: the marks in between were not seen"
			if r.Censored {
				title = "had not recovered when the run ended"
			}
			p.rect(hatch, Rect{x.at(at), y + 4, max(2, x.at(r.RTO)-x.at(at)), bar}, title)
		}
		p.text("txb", x.at(max(r.RTO, 0))+6, y+15, Start, stackTotal(r))
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
	for i, name := range []string{"detect", "failover", "reconnect", "settle"} {
		p.rect(fmt.Sprintf("s%d", i+1), Rect{at, bottom + 22, 10, 10}, "")
		p.text("sft", at+14, bottom+31, Start, name)
		at += 80
	}
	p.H = bottom + 38
	return p
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
