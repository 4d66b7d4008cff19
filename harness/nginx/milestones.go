package nginx

import (
	"strings"

	"github.com/hadrill/hadrill/harness"
)

// Milestone implements harness.Milestones. nginx declares a failure in its
// error log (ngx_http_upstream_module):
//
//	... [error] 7#7: *12 connect() failed (111: Connection refused) while connecting to upstream, client: ...
//	... [warn] 7#7: *12 upstream server temporarily disabled while connecting to upstream, client: ...
//
// It never says who serves instead: the first good request tells. A backend
// says when it begins to serve, which a release waits for.
func (r *Running) Milestone(node, line string) (harness.Milestone, bool) {
	if node != proxyName {
		return harness.Milestone{Keep: true, Text: line}, strings.Contains(line, "serves on port")
	}
	text := line
	if _, after, ok := strings.Cut(line, ": *"); ok {
		if _, message, ok := strings.Cut(after, " "); ok {
			text, _, _ = strings.Cut(message, ", client:")
			if _, upstream, ok := strings.Cut(message, "upstream: "); ok {
				address, _, _ := strings.Cut(upstream, ",")
				text += " " + address
			}
		}
	}
	for _, sign := range []string{
		"connect() failed", "upstream timed out", "upstream prematurely closed connection", "no live upstreams",
		"upstream server temporarily disabled", "recv() failed", "upstream sent",
	} {
		if strings.HasPrefix(text, sign) {
			return harness.Milestone{Declared: true, Keep: true, Text: text}, true
		}
	}
	if strings.Contains(line, "[emerg]") || strings.Contains(line, "[alert]") || strings.Contains(line, "[crit]") {
		return harness.Milestone{Keep: true, Text: line}, true
	}
	return harness.Milestone{}, false
}
