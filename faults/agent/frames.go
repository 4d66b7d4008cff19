package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// demultiplex splits an attached container's stream, which carries standard
// output and standard error in frames (Docker Engine API, "Attach to a
// container", stream format):
//
//	[1 or 2, 0, 0, 0, length in 4 bytes big endian] payload
//
// It returns when the stream ends.
func demultiplex(in io.Reader, stdout, stderr io.Writer) error {
	var head [8]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read the agent's stream: %w", err)
		}
		out := stdout
		switch head[0] {
		case 1:
		case 2:
			out = stderr
		default:
			return fmt.Errorf("read the agent's stream: unknown frame type %d", head[0])
		}
		if _, err := io.CopyN(out, in, int64(binary.BigEndian.Uint32(head[4:]))); err != nil {
			return fmt.Errorf("read the agent's stream: %w", err)
		}
	}
}
