package linear

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

// A failover leaves a crowd of writes of unknown outcome behind. All of them
// overlap with everything that follows, and the answer must still be definite.
func TestAHundredUnknownOperationsGetADefiniteAnswer(t *testing.T) {
	for name, distinct := range map[string]int64{"unique values": 1 << 40, "ten values": 10} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 1))
			var ops []*record.Op
			for i := range 100 {
				ops = append(ops, &record.Op{Process: uint32(100 + i), Function: record.Write, Value: 1000 + int64(i)%distinct,
					Start: record.Time(i), End: record.Time(i + 50), Outcome: record.Info})
			}
			v := int64(1000)
			for i := range 200 { // some of them are seen to take effect, one after the other
				at := record.Time(1000 + 10*i)
				o := &record.Op{Process: uint32(i % 5), Function: record.Read, Value: v, Start: at - 15, End: at + 15, Outcome: record.Ok}
				if r.IntN(3) == 0 {
					v = int64(i)
					o.Function, o.Value = record.Write, v
				}
				if i%25 == 24 {
					v = 1000 + int64(i/25+1)%distinct
				}
				ops = append(ops, o)
			}
			begun := time.Now()
			got, err := Register(context.Background(), ops)
			require.NoError(t, err)
			assert.Nil(t, got)

			ops = append(ops, &record.Op{Process: 1, Function: record.Write, Value: 7777, Start: 4000, End: 4010, Outcome: record.Ok},
				&record.Op{Process: 2, Function: record.Read, Value: 5000, Start: 4020, End: 4030, Outcome: record.Ok},
				&record.Op{Process: 3, Function: record.Write, Value: 5000, Start: 3000, End: 3010, Outcome: record.Ok})
			got, err = Register(context.Background(), ops)
			require.NoError(t, err)
			require.NotNil(t, got, "5000 was overwritten before it was read")
			assert.LessOrEqual(t, len(got.Witness), 4)
			assert.Less(t, time.Since(begun), 20*time.Second)
		})
	}
	t.Run("queue", func(t *testing.T) {
		var ops []*record.Op
		for i := range 100 {
			ops = append(ops,
				&record.Op{Process: uint32(i), Function: record.Enqueue, Value: int64(i + 1), Start: record.Time(10 * i), End: record.Time(10*i + 5), Outcome: record.Ok},
				&record.Op{Process: uint32(100 + i), Function: record.Dequeue, Value: record.Absent, Start: record.Time(1000 + i), End: record.Time(2000), Outcome: record.Info})
		}
		last := &record.Op{Process: 300, Function: record.Dequeue, Value: 100, Start: 3000, End: 3001, Outcome: record.Ok}
		got, err := Queue(context.Background(), append(ops, last))
		require.NoError(t, err)
		assert.Nil(t, got, "the hundred unknown dequeues took the other ninety-nine")
		fewer := slices.DeleteFunc(append(slices.Clone(ops), last), func(o *record.Op) bool { return o == ops[197] || o == ops[199] })
		got, err = Queue(context.Background(), fewer)
		require.NoError(t, err)
		require.NotNil(t, got, "ninety-eight cannot take ninety-nine")
		assert.Equal(t, "overtaken", got.Name)
	})
}
