package engine

import (
	"errors"
	"strings"
)

// ErrNoEngine is returned (wrapped) when no container engine can be used.
var ErrNoEngine = errors.New("no container engine")

// ErrNoImage is returned (wrapped) when an image is absent and can neither be
// built nor pulled here.
var ErrNoImage = errors.New("image not available")

// A Problem is an error that a user can act on: what does not work, why, and
// what would make it work. Cause is what errors.Is and errors.As look into.
type Problem struct {
	What   string
	Why    string
	Remedy string
	Cause  error
}

// Error joins the parts into one line: "what: why (remedy: ...)".
func (p *Problem) Error() string {
	var out strings.Builder
	out.WriteString(p.What)
	if p.Why != "" {
		out.WriteString(": " + p.Why)
	}
	if p.Remedy != "" {
		out.WriteString(" (remedy: " + p.Remedy + ")")
	}
	return out.String()
}

// Unwrap gives the cause.
func (p *Problem) Unwrap() error { return p.Cause }
