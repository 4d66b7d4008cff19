package images

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryFolderHasATableLineAndEveryLineAFolder(t *testing.T) {
	entries, err := fs.ReadDir(embedded, ".")
	require.NoError(t, err)
	var folders []string
	for _, entry := range entries {
		if entry.IsDir() {
			folders = append(folders, entry.Name())
		}
	}
	listed := []string{BaseComponent}
	for _, component := range Components() {
		listed = append(listed, component.Folder)
		recipe, err := Load(component.Name, "")
		require.NoError(t, err)
		assert.Contains(t, names(recipe.Files), "Dockerfile")
		assert.NotEmpty(t, recipe.Lock, "%s has no line in versions.lock", component.Name)
		base, err := Load(component.Base(), "")
		require.NoError(t, err)
		assert.NotEmpty(t, base.Lock, "%s has no line in versions.lock", component.Base())
	}
	assert.ElementsMatch(t, folders, listed)
}

func TestAComponentOfAnotherSuiteHasABaseOfItsOwn(t *testing.T) {
	trixie, err := Lookup("redis")
	require.NoError(t, err)
	assert.Equal(t, []string{"trixie", "base", "HADRILL_BASE"}, []string{trixie.Release(), trixie.Base(), trixie.RootKey()})
	assert.False(t, trixie.IsBase())
	sid, err := Lookup("mysql")
	require.NoError(t, err)
	assert.Equal(t, []string{"sid", "base-sid", "HADRILL_BASE_SID"}, []string{sid.Release(), sid.Base(), sid.RootKey()})
	assert.False(t, sid.IsBase())
	base, err := Lookup("base-sid")
	require.NoError(t, err)
	assert.Equal(t, Component{Name: "base-sid", Folder: "base", Official: "debian:sid-slim", Suite: "sid"}, base)
	assert.True(t, base.IsBase())

	recipe, err := Load("mysql", "")
	require.NoError(t, err)
	parent, err := Load("base-sid", "")
	require.NoError(t, err)
	assert.Equal(t, parent.Tag(), recipe.Parent)
	other, err := Load(BaseComponent, "")
	require.NoError(t, err)
	assert.NotEqual(t, other.Tag(), parent.Tag(), "the suite is part of the tag")
}

func TestEveryLockedComponentExists(t *testing.T) {
	lock, err := EmbeddedLock()
	require.NoError(t, err)
	for _, line := range lock {
		_, err := Lookup(line.Component)
		assert.NoError(t, err, "%+v", line)
	}
}

func TestTheTagFollowsEverythingThatGoesIn(t *testing.T) {
	original := func() Recipe {
		return Recipe{
			Component: Component{Name: "redis"},
			Files:     []File{{Name: "Dockerfile", Content: []byte("FROM x")}, {Name: "a", Content: []byte("b")}},
			Lock:      Lock{{"redis", "redis-server", "1"}, {"redis", "redis-tools", "2"}},
			Parent:    "0123",
		}
	}
	want := original().Tag()
	assert.Len(t, want, 12)
	assert.Equal(t, want, original().Tag(), "the same recipe has the same tag")

	reordered := original()
	reordered.Lock[0], reordered.Lock[1] = reordered.Lock[1], reordered.Lock[0]
	assert.Equal(t, want, reordered.Tag(), "the order of lock lines means nothing")

	for name, edit := range map[string]func(*Recipe){
		"the Dockerfile": func(r *Recipe) { r.Files[0].Content = []byte("FROM y") },
		"a file's name":  func(r *Recipe) { r.Files[1].Name = "ab"; r.Files[1].Content = nil },
		"a new file":     func(r *Recipe) { r.Files = append(r.Files, File{Name: "c"}) },
		"a version":      func(r *Recipe) { r.Lock[0].Version = "1.1" },
		"the base":       func(r *Recipe) { r.Parent = "4567" },
		"the component":  func(r *Recipe) { r.Component.Name = "nginx" },
	} {
		edited := original()
		edit(&edited)
		assert.NotEqual(t, want, edited.Tag(), name)
	}
}

func TestAnotherRootIsAnotherImageAllTheWayUp(t *testing.T) {
	for _, name := range []string{BaseComponent, "redis"} {
		plain, err := Load(name, "")
		require.NoError(t, err)
		named, err := Load(name, "example.test/debian:13")
		require.NoError(t, err)
		assert.NotEqual(t, plain.Ref(), named.Ref())
	}
}

func TestContextIsATarWithExecutableScripts(t *testing.T) {
	recipe, err := Load(BaseComponent, "")
	require.NoError(t, err)
	archive, err := recipe.Context()
	require.NoError(t, err)
	again, err := recipe.Context()
	require.NoError(t, err)
	assert.Equal(t, archive, again, "equal recipes give equal bytes")

	modes := map[string]int64{}
	for reader := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		modes[header.Name] = header.Mode
	}
	assert.Equal(t, map[string]int64{"Dockerfile": 0o644, "hadrill-install": 0o755, "policy-rc.d": 0o755}, modes)
}

func TestParseLock(t *testing.T) {
	lock, err := ParseLock(strings.NewReader("# comment\n\nredis redis-server 5:8.0.2-3\n  nginx\tnginx-light 1.26 \n"))
	require.NoError(t, err)
	assert.Equal(t, Lock{{"redis", "redis-server", "5:8.0.2-3"}, {"nginx", "nginx-light", "1.26"}}, lock)
	assert.Equal(t, "redis-server=5:8.0.2-3", lock.Of("redis").Argument())
	assert.Empty(t, lock.Of("kafka").Argument())

	for name, text := range map[string]string{
		"too few words":   "redis redis-server\n",
		"too many words":  "redis redis-server 1 2\n",
		"one twice":       "redis redis-server 1\nredis redis-server 2\n",
		"a line too long": "redis " + strings.Repeat("x", 1<<17) + " 1\n",
	} {
		_, err := ParseLock(strings.NewReader(text))
		assert.Error(t, err, name)
	}
}

func TestChoose(t *testing.T) {
	redis, err := Load("redis", "")
	require.NoError(t, err)
	mysql, err := Load("mysql", "")
	require.NoError(t, err)
	redisOnRoot, err := Load("redis", "debian:13")
	require.NoError(t, err)
	base, err := Load(BaseComponent, "")
	require.NoError(t, err)
	official, err := complete("redis:8.0")
	require.NoError(t, err)
	for _, c := range []struct {
		name        string
		component   string
		environment map[string]string
		want        string
		origin      Origin
		err         string
	}{
		{name: "the recipe by default", component: "redis", want: redis.Ref(), origin: Built},
		{name: "the recipe by name", component: "redis", environment: map[string]string{"HADRILL_IMAGES": "built"}, want: redis.Ref(), origin: Built},
		{name: "official images, with their registry", component: "redis", environment: map[string]string{"HADRILL_IMAGES": "official"}, want: official, origin: Official},
		{name: "one component's own image", component: "redis", environment: map[string]string{"HADRILL_IMAGE_REDIS": "registry.example:5000/team/redis:7"}, want: "registry.example:5000/team/redis:7", origin: Override},
		{name: "which wins", component: "redis", environment: map[string]string{"HADRILL_IMAGES": "official", "HADRILL_IMAGE_REDIS": "registry.example/redis"}, want: "registry.example/redis:latest", origin: Override},
		{name: "and is for that component only", component: "redis", environment: map[string]string{"HADRILL_IMAGE_NGINX": "registry.example/nginx"}, want: redis.Ref(), origin: Built},
		{name: "a component without a recipe", component: "my-queue", environment: map[string]string{"HADRILL_IMAGE_MY_QUEUE": "registry.example/q:1"}, want: "registry.example/q:1", origin: Override},
		{name: "another root", component: "redis", environment: map[string]string{"HADRILL_BASE": "debian:13"}, want: redisOnRoot.Ref(), origin: Built},
		{name: "another root is for its suite only", component: "mysql", environment: map[string]string{"HADRILL_BASE": "debian:13"}, want: mysql.Ref(), origin: Built},
		{name: "the base is always built", component: BaseComponent, environment: map[string]string{"HADRILL_IMAGES": "official"}, want: base.Ref(), origin: Built},
		{name: "unknown component", component: "nosuch", err: "unknown image component"},
		{name: "unknown component, official", component: "nosuch", environment: map[string]string{"HADRILL_IMAGES": "official"}, err: "unknown image component"},
		{name: "unknown mode", component: "redis", environment: map[string]string{"HADRILL_IMAGES": "offical"}, err: `"offical"`},
		{name: "not a reference", component: "redis", environment: map[string]string{"HADRILL_IMAGE_REDIS": "Not A Ref"}, err: "HADRILL_IMAGE_REDIS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Choose(c.component, func(key string) (string, bool) { value, ok := c.environment[key]; return value, ok })
			if c.err != "" {
				assert.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, Choice{Component: c.component, Ref: c.want, Origin: c.origin}, got)
		})
	}
}

func names(files []File) []string {
	var out []string
	for _, file := range files {
		out = append(out, file.Name)
	}
	return out
}
