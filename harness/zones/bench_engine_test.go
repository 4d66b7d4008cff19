package zones_test

import (
	"testing"
	"time"

	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/kafka"
	"github.com/hadrill/hadrill/harness/shop"
	"github.com/hadrill/hadrill/harness/vip"
	"github.com/hadrill/hadrill/harness/zones"
)

func BenchmarkWholeLife(b *testing.B) {
	testenv.Life(b, zones.Whole{
		Entry: vip.Pair{Proxy: vip.Nginx, CheckInterval: 200 * time.Millisecond, Arbiter: true, Zones: zones.All()},
		Shop: shop.Shop{
			Instances: 2, Consumers: 2, Gateways: 2, Caches: 2, Replicas: 2, Kafka: true,
			Brokers: kafka.Cluster{MinInSync: 2, SessionTimeout: 3 * time.Second, Heartbeat: 500 * time.Millisecond},
			Zones:   zones.All(),
		},
	})
}
