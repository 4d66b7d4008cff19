package etcd_test

import (
	"testing"

	"github.com/hadrill/hadrill/harness/etcd"
	"github.com/hadrill/hadrill/harness/internal/testenv"
)

func BenchmarkLife(b *testing.B) { testenv.Life(b, etcd.Cluster{Members: 3}) }
