package faults

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scanner reads words from a text. The first failure sticks: from then on
// every word is empty, so that parsers need not ask after each.
type scanner struct {
	text string
	pos  int
	err  *SyntaxError
}

// breaks are the characters that end every word.
const breaks = `;|>{}"`

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// skip goes to the next character that is no space.
func (s *scanner) skip() {
	for s.pos < len(s.text) && isSpace(rune(s.text[s.pos])) {
		s.pos++
	}
}

// end tells whether nothing is left.
func (s *scanner) end() bool {
	s.skip()
	return s.err != nil || s.pos == len(s.text)
}

// peek returns the next word without going past it. A word ends at a space,
// at a break and at the characters of also; it is empty at a break and at the
// end.
func (s *scanner) peek(also string) string {
	if s.end() {
		return ""
	}
	after := s.text[s.pos:]
	if i := strings.IndexFunc(after, func(r rune) bool {
		return isSpace(r) || strings.ContainsRune(breaks, r) || strings.ContainsRune(also, r)
	}); i >= 0 {
		after = after[:i]
	}
	return after
}

// word returns the next word and goes past it.
func (s *scanner) word(also string) string {
	w := s.peek(also)
	s.pos += len(w)
	return w
}

// accept goes past a symbol, if it is next.
func (s *scanner) accept(symbol byte) bool {
	if s.end() || s.text[s.pos] != symbol {
		return false
	}
	s.pos++
	return true
}

// keyword goes past a whole word, if it is next.
func (s *scanner) keyword(w string) bool {
	if s.peek("") != w {
		return false
	}
	s.pos += len(w)
	return true
}

// fail records what was expected at an offset; the nearest known word to what
// stands there is proposed.
func (s *scanner) fail(offset int, expected string, known ...string) {
	if s.err != nil {
		return
	}
	s.pos = offset
	s.skip()
	offset = s.pos
	s.err = &SyntaxError{Text: s.text, Offset: offset, Expected: expected, Nearest: nearest(s.peek(",+:=("), known)}
}

// expect goes past a keyword that must be next.
func (s *scanner) expect(keyword string) {
	if !s.keyword(keyword) {
		s.fail(s.pos, strconv.Quote(keyword), keyword)
	}
}

// here is the offset of the next word.
func (s *scanner) here() int {
	s.skip()
	return s.pos
}

// maxTime bounds every time of a schedule, and what repetitions add up to.
const maxTime = 24 * time.Hour

// duration reads a time of the schedule, such as 500ms.
func (s *scanner) duration(what string) time.Duration {
	at := s.here()
	d, err := time.ParseDuration(s.word(""))
	if err != nil || d < 0 || d > maxTime {
		s.fail(at, what+" such as 500ms or 2s, at most "+maxTime.String())
		return 0
	}
	return d
}

// number reads a whole number within bounds.
func (s *scanner) number(what string, low, high uint64) uint64 {
	at := s.here()
	w := s.word("")
	n, err := strconv.ParseUint(w, 10, 64)
	if err != nil || n < low || n > high {
		s.fail(at, what+" from "+strconv.FormatUint(low, 10)+" to "+strconv.FormatUint(high, 10))
		return 0
	}
	return n
}

var errNotQuoted = errors.New("not quoted")

// quoted reads a text between double quotes.
func (s *scanner) quoted() (string, error) {
	if s.end() || s.text[s.pos] != '"' {
		return "", errNotQuoted
	}
	prefix, err := strconv.QuotedPrefix(s.text[s.pos:])
	if err == nil {
		s.pos += len(prefix)
		return strconv.Unquote(prefix)
	}
	s.fail(s.pos, `a text between double quotes, with \" for a quote in it`)
	return "", nil
}

// value reads a word or a quoted text.
func (s *scanner) value(what string) string {
	if v, err := s.quoted(); err == nil {
		return v
	}
	return s.name(what)
}

var (
	namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	stepPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)
)

// grammarWords are those that cannot name a step.
var grammarWords = []string{"at", "after", "on", "for", "every", "healed", "draw"}

func isName(s string) bool { return namePattern.MatchString(s) }

func isStepName(s string) bool {
	return stepPattern.MatchString(s) && !slices.Contains(grammarWords, s)
}

// name reads a plain word: letters, digits, '.', '-' and '_'.
func (s *scanner) name(what string) string {
	at := s.here()
	w := s.word(",+=:")
	if !isName(w) {
		s.fail(at, what)
		return ""
	}
	return w
}
