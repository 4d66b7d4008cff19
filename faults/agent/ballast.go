package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// ballast is a process that takes memory inside a node's cgroup: this
// executable in its smallest role. It ends when its pipe does, so with its
// agent at the latest.
type ballast struct {
	process *exec.Cmd
	pipe    io.WriteCloser
}

// roleBallast is the value of envRole for a ballast.
const roleBallast = "ballast"

// startBallast starts one, which takes nothing yet, and moves it into the cgroup.
func startBallast(g group) (*ballast, error) {
	b := &ballast{process: exec.Command("/proc/self/exe")}
	b.process.Env = []string{envRole + "=" + roleBallast, "GOMEMLIMIT=off", "GOGC=off"}
	pipe, err := b.process.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make the ballast's pipe: %w", err)
	}
	ready, err := b.process.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("make the ballast's pipe: %w", err)
	}
	b.pipe = pipe
	if err := b.process.Start(); err != nil {
		return nil, fmt.Errorf("start the ballast: %w", err)
	}
	if _, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("start the ballast: %w", err), b.end())
	}
	if err := g.write("cgroup.procs", strconv.Itoa(b.process.Process.Pid)); err != nil {
		return nil, errors.Join(err, b.end())
	}
	return b, nil
}

// take makes it take so many bytes, some megabytes at a time.
func (b *ballast) take(bytes int64) error {
	_, err := fmt.Fprintln(b.pipe, bytes)
	return err
}

// end ends it. That it was killed by the kernel, as may happen, is no error.
func (b *ballast) end() error {
	_ = b.pipe.Close()
	_ = b.process.Process.Kill()
	var exited *exec.ExitError
	if err := b.process.Wait(); err != nil && !errors.As(err, &exited) {
		return fmt.Errorf("end the ballast: %w", err)
	}
	return nil
}

// ballastMain is the ballast's life.
func ballastMain() int {
	fmt.Println("ready")
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadString('\n')
	if err != nil {
		return 0
	}
	bytes, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return 64
	}
	const step = 4 << 20
	var held [][]byte
	for ; bytes > 0; bytes -= step {
		chunk := make([]byte, step)
		for i := 0; i < len(chunk); i += os.Getpagesize() {
			chunk[i] = 1 // a page counts when it is touched
		}
		held = append(held, chunk)
		time.Sleep(time.Millisecond)
	}
	_, _ = in.ReadString('\n') // until the pipe ends
	runtime.KeepAlive(held)
	return 0
}
