package agent

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// nodePort is where a test node listens: one line in, one line out.
const nodePort = "7000"

// nodeMain is a test node: a small server that answers, and looks at others
// from where it stands, so that an observer other than the injector can say
// what happened.
//
//	ping              -> pong <nanoseconds of its realtime clock>
//	dial HOST:PORT MS -> ok | error text
//	ask HOST:PORT MS LINE -> the other's answer | error text
//	work MS           -> how many rounds of arithmetic it got through in that time
func nodeMain() {
	signal.Ignore(syscall.SIGHUP)
	if os.Getenv("HADRILL_TEST_STUBBORN") != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	listener, err := net.Listen("tcp", ":"+nodePort)
	if err != nil {
		fmt.Println("listen:", err)
		os.Exit(1)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			os.Exit(1)
		}
		go func() {
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				if _, err := fmt.Fprintln(conn, nodeAnswer(lines.Text())); err != nil {
					return
				}
			}
		}()
	}
}

func nodeAnswer(line string) string {
	words := strings.Fields(line)
	if len(words) == 0 {
		return "empty"
	}
	switch words[0] {
	case "ping":
		return fmt.Sprint("pong ", time.Now().UnixNano())
	case "dial", "ask":
		var ms int
		if len(words) < 3 {
			return "usage"
		}
		_, _ = fmt.Sscan(words[2], &ms)
		conn, err := net.DialTimeout("tcp", words[1], time.Duration(ms)*time.Millisecond)
		if err != nil {
			return "error " + err.Error()
		}
		defer conn.Close()
		if words[0] == "dial" {
			return "ok"
		}
		_ = conn.SetDeadline(time.Now().Add(time.Duration(ms) * time.Millisecond))
		fmt.Fprintln(conn, strings.Join(words[3:], " "))
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			return "error " + err.Error()
		}
		return strings.TrimSpace(answer)
	case "write", "read": // write PATH SYNC TEXT, read PATH
		return diskAnswer(words)
	case "work":
		var ms int
		_, _ = fmt.Sscan(words[1], &ms)
		rounds := 0
		for end := time.Now().Add(time.Duration(ms) * time.Millisecond); time.Now().Before(end); rounds++ {
			for x := 0; x < 1000; x++ {
				_ = x * x
			}
		}
		return fmt.Sprint(rounds)
	}
	return "unknown"
}
