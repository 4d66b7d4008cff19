package draw_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/reports/internal/sample"
)

// A film is read back from a file that anybody may have touched: whatever is
// valid can be drawn, and what is drawn is XML.
func FuzzAFilmFromAFile(f *testing.F) {
	log, res := sample.Run(sample.Shape{Name: "x", Rate: 10, Seconds: 2, Fault: "kill", At: 1, Outage: .2})
	b, err := json.Marshal(film.Make(log, res, film.Window{Bins: 3}))
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"bins":1,"step_ns":1,"from":-9223372036854775808,"zero":9223372036854775807,"latency":{"min":[0],"p50":[0],"p99":[0],"max":[0]},"control":{"min":[-1],"p50":[-1],"p99":[-1],"max":[-1]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var one film.Film
		if json.Unmarshal(data, &one) != nil || !one.Valid() || one.Bins > 500 {
			return
		}
		wellFormed(t, draw.Film(&one, draw.FilmOptions{Links: true}).SVG())
		wellFormed(t, draw.Strips([]*film.Film{&one}, nil).SVG())
	})
}
