package engine

import (
	"bufio"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// mirrors says where the host gets Debian packages from. Empty fields leave
// the choice to mmdebstrap, which knows the distribution's public mirror.
type mirrors struct {
	archive      string // the plain archive
	security     string // the security archive
	ignoreExpiry bool   // the host was told to accept an out-of-date index
}

// lines gives the sources.list lines for a suite, to be used for the bootstrap
// and written into the image.
func (m mirrors) lines(suite string) []string {
	if m.archive == "" {
		return nil
	}
	out := []string{"deb " + m.archive + " " + suite + " main"}
	if suite == "sid" {
		return out // what is unstable has no updates beside itself
	}
	out = append(out, "deb "+m.archive+" "+suite+"-updates main")
	if m.security != "" {
		out = append(out, "deb "+m.security+" "+suite+"-security main")
	}
	return out
}

// hostMirrors reads the host's apt sources. The suite there does not matter: a
// mirror of the Debian archive carries all of them.
func hostMirrors(ctx context.Context) mirrors {
	files, _ := filepath.Glob("/etc/apt/sources.list.d/*")
	var entries []source
	for _, file := range append([]string{"/etc/apt/sources.list"}, files...) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // absent or not ours to read: the next one may do
		}
		switch filepath.Ext(file) {
		case ".list":
			entries = append(entries, parseOneLine(string(text))...)
		case ".sources":
			entries = append(entries, parseDeb822(string(text))...)
		}
	}
	found := chooseMirrors(entries)
	// The host's owner may have chosen to accept an index past its date (a
	// frozen mirror, a clock ahead of it). The image inherits that choice.
	out, err := exec.CommandContext(ctx, "apt-config", "dump", "--format=%v", "Acquire::Check-Valid-Until").Output()
	found.ignoreExpiry = err == nil && strings.TrimSpace(string(out)) == "false"
	return found
}

// A source is one entry of apt's source list; see sources.list(5).
type source struct {
	uris       []string
	suites     []string
	components []string
	signedBy   string
}

// parseOneLine reads the traditional format: deb [options] uri suite component...
func parseOneLine(text string) []source {
	var out []source
	scanner := bufio.NewScanner(strings.NewReader(text))
	for scanner.Scan() {
		line, _, _ := strings.Cut(scanner.Text(), "#")
		rest, isBinary := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !isBinary {
			continue
		}
		rest = strings.TrimSpace(rest)
		signedBy := ""
		if strings.HasPrefix(rest, "[") {
			options, after, closed := strings.Cut(rest[1:], "]")
			if !closed {
				continue
			}
			for _, option := range strings.Fields(options) {
				if value, ok := strings.CutPrefix(option, "signed-by="); ok {
					signedBy = value
				}
			}
			rest = after
		}
		if words := strings.Fields(rest); len(words) >= 2 {
			out = append(out, source{uris: words[:1], suites: words[1:2], components: words[2:], signedBy: signedBy})
		}
	}
	return out
}

// parseDeb822 reads the stanza format of *.sources files.
func parseDeb822(text string) []source {
	var out []source
	fields := map[string]string{}
	key := ""
	flush := func() {
		if contains(strings.Fields(fields["types"]), "deb") && fields["enabled"] != "no" && fields["uris"] != "" {
			out = append(out, source{
				uris:       strings.Fields(fields["uris"]),
				suites:     strings.Fields(fields["suites"]),
				components: strings.Fields(fields["components"]),
				signedBy:   fields["signed-by"],
			})
		}
		fields, key = map[string]string{}, ""
	}
	scanner := bufio.NewScanner(strings.NewReader(text))
	for scanner.Scan() {
		line := scanner.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t': // continues the field above
			fields[key] += " " + strings.TrimSpace(line)
		default:
			name, value, _ := strings.Cut(line, ":")
			key = strings.ToLower(strings.TrimSpace(name))
			fields[key] = strings.TrimSpace(value)
		}
	}
	flush()
	return out
}

// chooseMirrors picks Debian's own archives from the host's entries. A vendor's
// repository often has Debian's layout too, so it takes more than a path: the
// archive serves "-updates" beside the release, or sits at the very path
// /debian, and no entry counts that is signed with somebody else's key.
func chooseMirrors(entries []source) mirrors {
	var found mirrors
	plain := ""
	for _, entry := range entries {
		foreign := entry.signedBy != "" && !strings.Contains(entry.signedBy, "debian-archive")
		if foreign || !contains(entry.components, "main") {
			continue
		}
		for _, uri := range entry.uris {
			parsed, err := url.Parse(uri)
			if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") {
				continue // a local medium or a transport that the image would lack
			}
			path := strings.TrimRight(parsed.Path, "/")
			switch {
			case strings.HasSuffix(path, "/debian-security"):
				found.security = first(found.security, uri)
			case strings.HasSuffix(path, "/debian") && hasUpdates(entry.suites):
				found.archive = first(found.archive, uri)
			case path == "/debian":
				plain = first(plain, uri)
			}
		}
	}
	found.archive = first(found.archive, plain)
	return found
}

func hasUpdates(suites []string) bool {
	for _, suite := range suites {
		if strings.HasSuffix(suite, "-updates") {
			return true
		}
	}
	return false
}

// first is the first text that is not empty.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func contains(words []string, wanted string) bool {
	for _, word := range words {
		if word == wanted {
			return true
		}
	}
	return false
}
