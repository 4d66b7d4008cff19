package images

import (
	"bufio"
	"fmt"
	"io"
	"sort"
	"strings"
)

// A LockLine says which version of a package a component was tried with.
type LockLine struct {
	Component string
	Package   string
	Version   string // as dpkg prints it, epoch and revision included
}

// A Lock is the list of tried versions, in file order.
type Lock []LockLine

// EmbeddedLock is the lock file that this program was built with.
func EmbeddedLock() (Lock, error) {
	file, err := embedded.Open("versions.lock")
	if err != nil {
		return nil, fmt.Errorf("open versions.lock: %w", err)
	}
	defer file.Close()
	return ParseLock(file)
}

// ParseLock reads "component package version" lines; blank lines and lines
// that begin with # are skipped. A package locked twice for one component is
// an error: the second line would be ignored in silence otherwise.
func ParseLock(r io.Reader) (Lock, error) {
	var lock Lock
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if len(words) != 3 {
			return nil, fmt.Errorf("versions.lock line %d: want \"component package version\", have %q", number, line)
		}
		key := words[0] + " " + words[1]
		if seen[key] {
			return nil, fmt.Errorf("versions.lock line %d: %s is locked twice", number, key)
		}
		seen[key] = true
		lock = append(lock, LockLine{Component: words[0], Package: words[1], Version: words[2]})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read versions.lock: %w", err)
	}
	return lock, nil
}

// Of keeps the lines of one component.
func (l Lock) Of(component string) Lock {
	var out Lock
	for _, line := range l {
		if line.Component == component {
			out = append(out, line)
		}
	}
	return out
}

// Argument is the lock as the build argument LOCK: "package=version" words,
// sorted, so that the order of lines changes no hash.
func (l Lock) Argument() string {
	words := make([]string, 0, len(l))
	for _, line := range l {
		words = append(words, line.Package+"="+line.Version)
	}
	sort.Strings(words)
	return strings.Join(words, " ")
}
