package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMirrorsFromTheHostsSources(t *testing.T) {
	for _, c := range []struct {
		name    string
		oneLine string
		deb822  string
		want    mirrors
	}{
		{name: "nothing"},
		{
			name:    "one line format",
			oneLine: "deb http://mirror.example/debian bookworm main contrib\ndeb-src http://source.example/debian bookworm main\ndeb http://mirror.example/debian bookworm-updates main\ndeb http://sec.example/debian-security bookworm-security main\n",
			want:    mirrors{archive: "http://mirror.example/debian", security: "http://sec.example/debian-security"},
		},
		{
			name:    "options and comments",
			oneLine: "# deb http://old.example/debian bookworm main\n  deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://mirror.example/debian/ trixie main # ours\n",
			want:    mirrors{archive: "https://mirror.example/debian/"},
		},
		{
			name: "deb822",
			deb822: "Types: deb deb-src\n# a comment\nURIs: http://mirror.example/pub/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n" +
				"\nTypes: deb\nURIs: http://sec.example/debian-security\nSuites: bookworm-security\nComponents: main\n",
			want: mirrors{archive: "http://mirror.example/pub/debian", security: "http://sec.example/debian-security"},
		},
		{
			name:   "deb822 continuation lines",
			deb822: "Types: deb\nURIs:\n http://mirror.example/debian\nSuites: trixie\n trixie-updates\nComponents: main\n",
			want:   mirrors{archive: "http://mirror.example/debian"},
		},
		{
			name:   "a disabled stanza",
			deb822: "Types: deb\nEnabled: no\nURIs: http://mirror.example/debian\nSuites: trixie\nComponents: main\n",
		},
		{
			name:    "a vendor's repository with Debian's layout",
			oneLine: "deb [signed-by=/etc/apt/keyrings/vendor.gpg] https://vendor.example/debian bookworm main\ndeb https://vendor.example/product/7.0/debian bookworm main\ndeb https://engine.example/linux/debian bookworm stable\n",
		},
		{
			name:    "another distribution",
			oneLine: "deb http://archive.example/ubuntu noble main universe\ndeb http://archive.example/ubuntu noble-updates main\n",
		},
		{
			name:    "a medium that an image lacks",
			oneLine: "deb cdrom:[Debian]/ bookworm main\ndeb file:/srv/debian bookworm main\n",
		},
		{
			name:    "the archive that serves updates wins over a bare path",
			oneLine: "deb http://local.example/debian bookworm main\ndeb http://mirror.example/mirrors/debian bookworm-updates main\n",
			want:    mirrors{archive: "http://mirror.example/mirrors/debian"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			entries := append(parseOneLine(c.oneLine), parseDeb822(c.deb822)...)
			assert.Equal(t, c.want, chooseMirrors(entries))
		})
	}
}

func TestMirrorLines(t *testing.T) {
	assert.Empty(t, mirrors{}.lines("trixie"), "mmdebstrap knows the public mirror itself")
	assert.Equal(t, []string{"deb http://m.example/debian trixie main", "deb http://m.example/debian trixie-updates main"},
		mirrors{archive: "http://m.example/debian"}.lines("trixie"))
	assert.Equal(t, []string{"deb http://m.example/debian sid main"},
		mirrors{archive: "http://m.example/debian", security: "http://s.example/debian-security"}.lines("sid"), "sid has no updates beside itself")
	assert.Contains(t, mirrors{archive: "http://m.example/debian", security: "http://s.example/debian-security"}.lines("trixie"),
		"deb http://s.example/debian-security trixie-security main")
}

func TestBootstrapInheritsTheHostsWordOnExpiry(t *testing.T) {
	const option = `--aptopt=Acquire::Check-Valid-Until "false"`
	assert.NotContains(t, bootstrapArguments(mirrors{}, "trixie"), option)
	assert.Contains(t, bootstrapArguments(mirrors{ignoreExpiry: true}, "trixie"), option)
}

func TestBootstrapNeedsItsTools(t *testing.T) {
	has := func(names ...string) func(string) (string, error) {
		return func(name string) (string, error) {
			if contains(names, name) {
				return name, nil
			}
			return "", assert.AnError
		}
	}
	yes, no := func(string) bool { return true }, func(string) bool { return false }
	assert.NoError(t, canBootstrap(has("mmdebstrap"), yes, "HADRILL_BASE"))
	assert.ErrorContains(t, canBootstrap(has(), yes, "HADRILL_BASE"), "mmdebstrap is not installed")
	assert.ErrorContains(t, canBootstrap(has("mmdebstrap"), no, "HADRILL_BASE"), "debian-archive-keyring")
	assert.ErrorIs(t, canBootstrap(has(), no, "HADRILL_BASE"), ErrNoImage)
}
