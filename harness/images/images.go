// Package images holds the recipes of the container images that hadrill
// starts: one folder a component, embedded in the program.
//
// A component is the real software from Debian's own packages and nothing
// else. There is no entrypoint script in any image: the harness gives every
// container an explicit command and a mounted configuration, so an official
// image that carries the same binaries can take a recipe's place
// (HADRILL_IMAGES=official, or HADRILL_IMAGE_REDIS=ref for one component).
//
//	harness/images/            image
//	  base/   Dockerfile  ---> hadrill.local/base:<tag>    Debian trixie, installer
//	  redis/  Dockerfile  ---> hadrill.local/redis:<tag>   FROM base
//	  nginx/  Dockerfile  ---> hadrill.local/nginx:<tag>   FROM base
//	  mysql/  Dockerfile  ---> hadrill.local/mysql:<tag>   FROM base-sid, the same on Debian sid
//	  versions.lock            package versions that were tried
//
// The tag is a hash of all that goes into the image (the folder's files, its
// lock lines, and the same of the base), so an edited recipe is a new image
// and an unchanged one is found again without asking anything but the engine.
//
// Adding a component takes a folder with a Dockerfile and a line in [table].
//
// The package is pure data and functions; it talks to no engine and is safe
// for concurrent use.
package images

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
)

// Registry is the host part of every reference that hadrill builds. It names
// no server: it keeps the references from being looked up in a public registry.
const Registry = "hadrill.local"

// Suite is the Debian release that recipes build on unless they say otherwise.
const Suite = "trixie"

// BaseComponent is the name of the folder that every other recipe builds FROM.
// The base of another suite bears the suite in its name: "base-sid".
const BaseComponent = "base"

// ErrUnknownComponent is returned for a name that has no recipe.
var ErrUnknownComponent = errors.New("unknown image component")

//go:embed */* versions.lock
var embedded embed.FS

// A Component is one kind of container image.
type Component struct {
	// Name is what the harness asks for, e.g. "redis".
	Name string
	// Folder is the embedded folder with the Dockerfile.
	Folder string
	// Official is the well-known public image with the same binaries; empty
	// where there is none.
	Official string
	// Suite is the Debian release that carries the component's packages, where
	// it is not [Suite]: MySQL is only in sid.
	Suite string
	// Maven says that the recipe fetches with Maven. Its build context is given
	// a folder host/ with this machine's Maven settings and added certificates;
	// they decide where files come from and not what they are, so they are no
	// part of the tag.
	Maven bool
}

// Release is the Debian release that the component's image builds on.
func (c Component) Release() string {
	if c.Suite != "" {
		return c.Suite
	}
	return Suite
}

// Base is the name of the component whose image this one builds FROM.
func (c Component) Base() string {
	if release := c.Release(); release != Suite {
		return BaseComponent + "-" + release
	}
	return BaseComponent
}

// IsBase tells whether the component is a base itself.
func (c Component) IsBase() bool { return c.Name == c.Base() }

// RootKey is the environment variable with which a user names the image that
// the component's base builds FROM: HADRILL_BASE, or HADRILL_BASE_SID for a
// component of that suite.
func (c Component) RootKey() string {
	return "HADRILL_" + strings.ToUpper(strings.ReplaceAll(c.Base(), "-", "_"))
}

// table lists the components in the order they are built and shown.
var table = []Component{
	{Name: "redis", Folder: "redis", Official: "redis:8.0"},
	{Name: "nginx", Folder: "nginx", Official: "nginx:1.26"},
	{Name: "edge", Folder: "edge"},
	{Name: "mysql", Folder: "mysql", Official: "mysql:9.7", Suite: "sid"},
	{Name: "memcached", Folder: "memcached", Official: "memcached:1.6"},
	{Name: "etcd", Folder: "etcd", Official: "quay.io/coreos/etcd:v3.5.16"},
	{Name: "kafka", Folder: "kafka", Official: "apache/kafka:4.4.0", Maven: true},
	{Name: "rabbitmq", Folder: "rabbitmq", Official: "rabbitmq:4.0"},
}

// Components lists every component that has a recipe, without the base.
func Components() []Component { return append([]Component(nil), table...) }

// Lookup finds a component by name; the base is one as well.
func Lookup(name string) (Component, error) {
	known := make([]string, 0, len(table))
	for _, component := range append([]Component{{}}, table...) {
		if component.Base() == name {
			return Component{Name: name, Folder: BaseComponent, Official: "debian:" + component.Release() + "-slim", Suite: component.Suite}, nil
		}
	}
	for _, component := range table {
		if component.Name == name {
			return component, nil
		}
		known = append(known, component.Name)
	}
	return Component{}, fmt.Errorf("%w %q (known: %s)", ErrUnknownComponent, name, strings.Join(known, ", "))
}

// A Recipe is all that decides what an image contains.
type Recipe struct {
	Component Component
	Files     []File // sorted by name; one of them is "Dockerfile"
	Lock      Lock   // the lock lines of this component
	Parent    string // tag of the recipe this one builds FROM; for the base, the root image the user named
}

// A File is one file of a build context.
type File struct {
	Name    string
	Content []byte
}

// Load reads the embedded recipe of a component. root is the image that the
// base builds FROM if the user named one (HADRILL_BASE); it is part of the
// tag. Empty means: whatever Debian base the engine has or can get.
func Load(name, root string) (Recipe, error) {
	component, err := Lookup(name)
	if err != nil {
		return Recipe{}, err
	}
	files, err := readFolder(embedded, component.Folder)
	if err != nil {
		return Recipe{}, fmt.Errorf("read recipe %s: %w", name, err)
	}
	lock, err := EmbeddedLock()
	if err != nil {
		return Recipe{}, err
	}
	recipe := Recipe{Component: component, Files: files, Lock: lock.Of(name), Parent: root}
	if !component.IsBase() {
		base, err := Load(component.Base(), root)
		if err != nil {
			return Recipe{}, err
		}
		recipe.Parent = base.Tag()
	}
	return recipe, nil
}

func readFolder(files fs.FS, folder string) ([]File, error) {
	var out []File
	err := fs.WalkDir(files, folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		out = append(out, File{Name: strings.TrimPrefix(name, folder+"/"), Content: content})
		return nil
	})
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, err
}

// Tag is the first 12 hexadecimal digits of a SHA-256 over the recipe. Every
// part is length-prefixed, so no two recipes run together into one hash.
func (r Recipe) Tag() string {
	sum := sha256.New()
	part := func(text string) { fmt.Fprintf(sum, "%d:%s;", len(text), text) }
	part(r.Component.Name)
	part(r.Component.Release())
	part(r.Parent)
	for _, file := range r.Files {
		part(file.Name)
		part(string(file.Content))
	}
	part(r.Lock.Argument())
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

// Ref is the full local reference of the image this recipe makes.
func (r Recipe) Ref() string { return Registry + "/" + r.Component.Name + ":" + r.Tag() }

// Context packs the recipe's files as the tar archive that an engine's build
// call takes. Files that begin with "#!" are executable; times are zero, so
// equal recipes give equal bytes.
func (r Recipe) Context() ([]byte, error) {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, file := range r.Files {
		mode := int64(0o644)
		if bytes.HasPrefix(file.Content, []byte("#!")) {
			mode = 0o755
		}
		header := &tar.Header{Name: path.Clean(file.Name), Mode: mode, Size: int64(len(file.Content)), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("pack %s/%s: %w", r.Component.Name, file.Name, err)
		}
		if _, err := archive.Write(file.Content); err != nil {
			return nil, fmt.Errorf("pack %s/%s: %w", r.Component.Name, file.Name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("pack %s: %w", r.Component.Name, err)
	}
	return buffer.Bytes(), nil
}
