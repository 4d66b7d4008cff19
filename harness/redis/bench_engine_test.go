package redis_test

import (
	"testing"
	"time"

	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/redis"
)

func BenchmarkLife(b *testing.B) {
	testenv.Life(b, redis.Sentinel{Replicas: 2, Sentinels: 3, DownAfter: 500 * time.Millisecond})
}

func BenchmarkClusterLife(b *testing.B) {
	testenv.Life(b, redis.Cluster{Replicas: []int{1, 1, 1}, NodeTimeout: time.Second})
}
