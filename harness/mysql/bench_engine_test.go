package mysql_test

import (
	"testing"

	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/mysql"
)

func BenchmarkLife(b *testing.B) { testenv.Life(b, mysql.SemiSync{Replicas: 2, Acks: 1}) }

func BenchmarkGroupLife(b *testing.B) { testenv.Life(b, group) }
