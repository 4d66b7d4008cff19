package draw_test

import (
	"bytes"
	"image/color"
	"image/png"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/reports/internal/sample"
)

func TestEveryFilmCanBeAPNG(t *testing.T) {
	for _, s := range sample.All() {
		t.Run(s.Name, func(t *testing.T) {
			log, res := sample.Run(s)
			p := draw.Film(film.Make(log, res, film.Window{}), draw.FilmOptions{})
			b, err := p.PNG(2)
			require.NoError(t, err)
			img, err := png.Decode(bytes.NewReader(b))
			require.NoError(t, err)
			assert.Equal(t, int(p.W*2), img.Bounds().Dx())
			if s.Outage > 0 && !s.Hang {
				assert.True(t, holds(b, t, color.RGBA{0xd5, 0x5e, 0x00, 0xff}), "failed operations are drawn in their colour")
			}
			if dir := os.Getenv("HADRILL_DRAWINGS"); dir != "" {
				require.NoError(t, os.WriteFile(dir+"/"+strings.ReplaceAll(s.Name, "/", "-")+".png", b, 0o644))
			}
		})
	}
}

func holds(b []byte, t *testing.T, want color.RGBA) bool {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if color.RGBAModel.Convert(img.At(x, y)) == want {
				return true
			}
		}
	}
	return false
}

func TestAPictureWithoutUsefulSizeIsRefused(t *testing.T) {
	_, err := (&draw.Picture{W: 960, H: 400, Title: "x"}).PNG(100)
	assert.ErrorContains(t, err, "no useful size")
	_, err = (&draw.Picture{W: 96, H: 40, Shapes: []draw.Shape{{Class: "nonsense"}}}).PNG(1)
	assert.ErrorContains(t, err, "no style", "a class that the palette does not know would be invisible")
}
