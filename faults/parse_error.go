package faults

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// SyntaxError says where a text is no schedule, what was expected there, and
// which word may have been meant.
type SyntaxError struct {
	Text     string
	Offset   int // in bytes
	Expected string
	Nearest  string // the nearest known word; "" when none is near
}

// Error names the position in characters, from 1.
func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("position %d: expected %s, found %s", utf8.RuneCountInString(e.Text[:e.Offset])+1, e.Expected, e.found())
	if e.Nearest != "" {
		s += fmt.Sprintf("; did you mean %q?", e.Nearest)
	}
	return s
}

// found is the word at the error.
func (e *SyntaxError) found() string {
	after := e.Text[e.Offset:]
	if strings.TrimSpace(after) == "" {
		return "the end"
	}
	end := strings.IndexFunc(after, func(r rune) bool { return isSpace(r) || strings.ContainsRune(";{}", r) })
	switch {
	case end < 0:
		end = len(after)
	case end == 0:
		_, end = utf8.DecodeRuneInString(after)
	}
	return fmt.Sprintf("%q", after[:end])
}

// Caret returns the line of the text with the error and, below it, a caret
// that points at it.
func (e *SyntaxError) Caret() string {
	begin := strings.LastIndexByte(e.Text[:e.Offset], '\n') + 1
	line, _, _ := strings.Cut(e.Text[begin:], "\n")
	line = strings.ReplaceAll(line, "\t", " ")
	return line + "\n" + strings.Repeat(" ", utf8.RuneCountInString(e.Text[begin:e.Offset])) + "^"
}

// nearest returns the known word that begins with the given one, or is closest
// to it; "" when none is close.
func nearest(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	best, distance := "", 2+len(word)/4
	for _, k := range known {
		if len(word) > 1 && len(k) > len(word) && strings.HasPrefix(k, word) {
			return k
		}
		if d := editDistance(word, k); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	if best == word {
		return ""
	}
	return best
}

// editDistance is Levenshtein's, in one row.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, cost)
		}
	}
	return row[len(b)]
}
