package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
)

// Redis asks a server whether it answers, in its own inline protocol, over a
// connection of its own (https://redis.io/docs/latest/develop/reference/protocol-spec/,
// "Inline commands"). One that still loads its data does not.
func Redis(ctx context.Context, from harness.Vantage, at netip.AddrPort) (err error) {
	conn, err := from.DialContext(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Second)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if answer = strings.TrimSpace(answer); answer != "+PONG" {
		return fmt.Errorf("redis at %s answers %q", at, answer)
	}
	return nil
}
