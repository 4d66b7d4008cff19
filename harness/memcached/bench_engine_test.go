package memcached_test

import (
	"testing"

	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/memcached"
)

func BenchmarkLife(b *testing.B) { testenv.Life(b, memcached.Pool{Servers: 3}) }
