package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hadrill/hadrill/harness/components/registry"
)

// BenchmarkARequest is what a request through the gateway costs, client and
// backend included, all in one process.
func BenchmarkARequest(b *testing.B) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer backend.Close()
	g, err := New(Config{Node: "gw", Routes: []Route{{
		Name: "all", Outlier: &Outlier{}, Instances: []registry.Instance{{ID: "a", Addr: backend.Listener.Addr().String()}},
	}}}, Seams{})
	if err != nil {
		b.Fatal(err)
	}
	g.routes[0].rotation.list(g.routes[0].route.Instances)
	front := httptest.NewServer(g.Handler())
	defer front.Close()
	for name, url := range map[string]string{"direct": backend.URL, "gateway": front.URL} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			transport := &http.Transport{MaxIdleConnsPerHost: 64}
			defer transport.CloseIdleConnections()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r, err := http.NewRequest(http.MethodGet, url, nil)
					if err != nil {
						b.Error(err)
						return
					}
					answer, err := transport.RoundTrip(r)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
			})
		})
	}
	g.routes[0].transport.CloseIdleConnections()
}
