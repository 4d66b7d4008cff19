package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// keepable is the largest body that is kept in memory for another attempt.
const keepable = 64 << 10

var errBody = errors.New("read the request's body")

// content is the body of a request, for one or several attempts.
type content struct {
	replayable bool
	kept       []byte        // nil with a stream, or with nothing
	stream     io.ReadCloser // nil with what is kept
}

// newContent keeps a short body; a long one, or one of unknown length, is
// passed on as it comes and cannot be sent twice.
func newContent(r *http.Request) (content, error) {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return content{replayable: true}, nil
	case r.ContentLength < 0 || r.ContentLength > keepable:
		return content{stream: r.Body}, nil
	}
	kept := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, kept); err != nil {
		return content{}, fmt.Errorf("%w: %w", errBody, err)
	}
	return content{replayable: true, kept: kept}, nil
}

// fill gives an attempt its body.
func (c content) fill(out *http.Request) {
	switch {
	case c.stream != nil:
		// The transport closes what it could not send; the next attempt needs it.
		out.Body = io.NopCloser(c.stream)
	case c.kept != nil:
		// With GetBody the transport can replace a kept connection that turns
		// out to be closed before anything was written.
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.kept)), nil }
		out.Body, _ = out.GetBody() // has no error
	}
}
