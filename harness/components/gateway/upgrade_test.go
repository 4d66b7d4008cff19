package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/registry"

	_ "github.com/hadrill/hadrill/harness/components" // this very binary becomes the gateway
)

// process is a gateway as it runs in a container: supervisor and worker.
type process struct {
	*exec.Cmd
	url   string
	admin string
	mu    sync.Mutex
	lines []string
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func startProcess(t *testing.T, routes ...gateway.Route) *process {
	text, err := gateway.FormatRoutes(routes)
	require.NoError(t, err)
	port, admin := freePort(t), freePort(t)
	self, err := os.Executable()
	require.NoError(t, err)
	p := &process{Cmd: exec.Command(self), url: fmt.Sprintf("http://127.0.0.1:%d", port), admin: fmt.Sprintf("http://127.0.0.1:%d", admin)}
	p.Env = append(os.Environ(), "HADRILL_COMPONENT=gateway", "HADRILL_NODE=gw", "HADRILL_CACHE=off", "HADRILL_ROUTES="+text,
		fmt.Sprintf("HADRILL_PORT=%d", port), fmt.Sprintf("HADRILL_ADMIN_PORT=%d", admin))
	output, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended
		<-read
		_ = p.Wait() // it was killed
	})
	require.Eventually(t, func() bool {
		answer, err := http.Get(p.admin + "/ready")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, 20*time.Second, 10*time.Millisecond)
	return p
}

func (p *process) said(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(strings.Join(p.lines, "\n"), text)
}

// visit makes requests until ctx ends and counts those that failed. Pooled, it
// repeats nothing by itself: a POST is never made again by the library.
func visit(ctx context.Context, url string, pooled bool, done, failed *atomic.Int64) {
	transport := &http.Transport{DisableKeepAlives: !pooled}
	defer transport.CloseIdleConnections()
	for ctx.Err() == nil {
		r, err := http.NewRequest(http.MethodPost, url, strings.NewReader("x"))
		if err == nil {
			var answer *http.Response
			if answer, err = transport.RoundTrip(r); err == nil {
				_, err = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					err = fmt.Errorf("status %d", answer.StatusCode)
				}
			}
		}
		if err != nil {
			failed.Add(1)
			fmt.Println("visit:", pooled, err)
		}
		done.Add(1)
		time.Sleep(time.Millisecond)
	}
}

func serve(t *testing.T) registry.Instance {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // ends with Close
	}()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return registry.Instance{ID: "b", Addr: l.Addr().String()}
}

func TestUpgradesAreNotSeenByAnyClient(t *testing.T) {
	p := startProcess(t, gateway.Route{Name: "all", Instances: []registry.Instance{serve(t)}, Timeout: gateway.Duration(10 * time.Second)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var done, failed atomic.Int64
	var visitors sync.WaitGroup
	for i := range 8 {
		visitors.Go(func() { visit(ctx, p.url, i%2 == 0, &done, &failed) })
	}
	for generation := 2; generation <= 4; generation++ {
		before := done.Load()
		require.NoError(t, p.Process.Signal(syscall.SIGUSR2))
		require.Eventually(t, func() bool {
			return p.said(fmt.Sprintf("upgrade: worker %d is ready", generation)) && p.said(fmt.Sprintf("worker %d: has drained", generation-1)) && done.Load() > before+100
		}, 30*time.Second, 5*time.Millisecond)
	}
	cancel()
	visitors.Wait()
	assert.Zero(t, failed.Load(), "of %d", done.Load())
	assert.Greater(t, done.Load(), int64(300))
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	state, err := p.Process.Wait()
	require.NoError(t, err)
	assert.Equal(t, 0, state.ExitCode())
}

func TestAWorkerThatDiesIsReplaced(t *testing.T) {
	p := startProcess(t, gateway.Route{Name: "all", Instances: []registry.Instance{serve(t)}})
	pids, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.Process.Pid, p.Process.Pid))
	if err != nil || strings.TrimSpace(string(pids)) == "" {
		pids = childOf(t, p.Process.Pid)
	}
	var worker int
	_, err = fmt.Sscan(string(pids), &worker)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(worker, syscall.SIGKILL))
	require.Eventually(t, func() bool { return p.said("worker 1 has died") && p.said("worker 2: ready") }, 20*time.Second, 5*time.Millisecond)
	answer, err := http.Post(p.url, "text/plain", nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, 200, answer.StatusCode)
	http.DefaultClient.CloseIdleConnections() // for which a worker would wait at its end
}

// childOf finds a process's child whichever of its threads started it.
func childOf(t *testing.T, pid int) []byte {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	require.NoError(t, err)
	for _, task := range tasks {
		if pids, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name())); err == nil && strings.TrimSpace(string(pids)) != "" {
			return pids
		}
	}
	t.Fatal("the supervisor has no child")
	return nil
}
