package draw_test

import (
	"encoding/xml"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/reports/internal/sample"
)

func wellFormed(t *testing.T, s string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else {
			require.NoError(t, err)
		}
	}
}

func TestFilmsAreSmallWellFormedAndTheSameEveryTime(t *testing.T) {
	for _, s := range sample.All() {
		t.Run(s.Name, func(t *testing.T) {
			log, res := sample.Run(s)
			f := film.Make(log, res, film.Window{Bins: 240})
			svg := draw.Film(f, draw.FilmOptions{Links: true}).SVG()
			wellFormed(t, svg)
			inline := draw.Film(f, draw.FilmOptions{}).Inline()
			assert.Less(t, len(inline), 16_000, "a film must leave room for sixty on a page")
			assert.Equal(t, inline, draw.Film(film.Make(log, res, film.Window{Bins: 240}), draw.FilmOptions{}).Inline())
			if dir := os.Getenv("HADRILL_DRAWINGS"); dir != "" {
				require.NoError(t, os.WriteFile(dir+"/"+strings.ReplaceAll(s.Name, "/", "-")+".svg", []byte(svg), 0o644))
			}
		})
	}
}
