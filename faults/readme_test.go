package faults

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryFaultHasItsSection holds README.md against the catalogue: each fault
// has one row that says what happens and what incident it stands for, in a
// section that says how it is made, what it needs and how exact it is.
func TestEveryFaultHasItsSection(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	described := map[string]bool{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		rows := 0
		for line := range strings.Lines(body) {
			cells := strings.Split(strings.TrimSpace(line), "|")
			if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
				continue
			}
			rows++
			name := strings.Trim(strings.TrimSpace(cells[1]), "`")
			assert.Falsef(t, described[name], "%s has one row", name)
			described[name] = true
			assert.Containsf(t, title, name, "the title of its section names %s", name)
			for _, cell := range cells[2:4] {
				assert.NotEmptyf(t, strings.TrimSpace(cell), "%s: no cell is empty", name)
			}
		}
		if rows == 0 {
			continue
		}
		for _, word := range []string{"**How.**", "**Needs.**", "**Accuracy.**"} {
			assert.Containsf(t, body, word, "section %q", title)
		}
	}
	for _, e := range Catalogue() {
		assert.Truef(t, described[e.Name], "%s has a row in README.md", e.Name)
		delete(described, e.Name)
	}
	assert.Empty(t, described, "rows of faults that do not exist")
}
