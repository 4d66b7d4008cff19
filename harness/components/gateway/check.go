package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// checkHealth asks every listed instance, each interval, until ctx ends. The
// interval is that between two questions to the same instance, however long
// others take. Connections are kept: a new one to a frozen process succeeds,
// because its kernel answers, so it would prove nothing more.
func (p *rotation) checkHealth(ctx context.Context) {
	h := *p.route.Health
	transport := &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: 4 * h.Interval.Std(), DisableCompression: true, TLSClientConfig: p.secure.Clone()}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var group sync.WaitGroup
	defer group.Wait()
	running := map[*instance]chan struct{}{}
	tick := time.NewTicker(h.Interval.Std())
	defer tick.Stop()
	for {
		for _, i := range p.view.Load().all {
			if done := running[i]; done != nil {
				select {
				case <-done:
				default:
					continue // its last question is still open
				}
			}
			done := make(chan struct{})
			running[i] = done
			group.Go(func() {
				defer close(done)
				failure := ask(ctx, client, h, schemeOf(p.secure)+"://"+i.addr)
				if ctx.Err() == nil {
					p.probed(i, failure)
				}
			})
		}
		for i, done := range running {
			select {
			case <-done:
				delete(running, i)
			default:
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ask asks one instance and says why it is not healthy, or nothing.
func ask(ctx context.Context, client *http.Client, h Health, base string) (failure string) {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout.Std())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+h.Path, nil)
	if err != nil {
		return err.Error()
	}
	answer, err := client.Do(request)
	if err != nil {
		return cause(err)
	}
	defer answer.Body.Close()
	// Read to the end, so that the connection can be used again.
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 4<<10)); err != nil {
		return cause(err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Sprintf("%s answered %d", h.Path, answer.StatusCode)
	}
	return ""
}
