package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/images"
)

func TestABuildWithMavenGetsTheHostsSettingsAndTrust(t *testing.T) {
	home, trust := t.TempDir(), t.TempDir()
	got, err := mavenFiles(home, filepath.Join(trust, "absent"))
	require.NoError(t, err)
	assert.Equal(t, []images.File{{Name: "host/settings.xml", Content: []byte(noSettings)}}, got, "a machine with nothing of its own")

	write := func(content string, path ...string) {
		name := filepath.Join(path...)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
	}
	write("<settings>mirror</settings>", home, ".m2", "settings.xml")
	write("one", trust, "site.crt")
	write("two", trust, "branch", "site.crt")
	write("none", trust, "README")
	got, err = mavenFiles(home, trust)
	require.NoError(t, err)
	assert.Equal(t, []images.File{
		{Name: "host/settings.xml", Content: []byte("<settings>mirror</settings>")},
		{Name: "host/certificates/0-site.crt", Content: []byte("one")},
		{Name: "host/certificates/1-site.crt", Content: []byte("two")},
	}, got)
}

func TestOnlyTheLastStageIsTheImage(t *testing.T) {
	got, err := readBuild(strings.NewReader(`{"aux":{"ID":"sha256:01"}}
{"aux":{"ID":"sha256:02"}}
{"aux":{"ID":"sha256:03"}}`), "kafka", reporter{})
	require.NoError(t, err)
	assert.Equal(t, "sha256:03", got.id)
	assert.Equal(t, []string{"sha256:01", "sha256:02"}, got.stages)
}
