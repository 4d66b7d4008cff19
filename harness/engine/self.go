package engine

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness/images"
)

const (
	// SelfPath is where the executable lies in the image that Self makes.
	SelfPath = "/hadrill"

	selfRepository = images.Registry + "/self"
	selfComponent  = "self"
	// selfKept images besides the current one stay, and so does every one
	// younger than selfYoung: another program of the same test run may be
	// about to start it.
	selfKept  = 3
	selfYoung = 10 * time.Minute
)

// selfCache remembers the digest of our executable, which cannot change while
// we run it.
type selfCache struct {
	lock   sync.Mutex
	digest string
}

// Self returns an image that holds the running executable at [SelfPath] and
// otherwise only what it needs to start: nothing for a static program, its ELF
// interpreter and shared libraries (at their own paths) for a dynamic one, and
// an empty /tmp. The image's entrypoint is the executable. So a test binary, or
// the hadrill command, can run itself in a container without any file of the
// host in it:
//
//	/hadrill                          this program
//	/lib64/ld-linux-x86-64.so.2       only if dynamically linked
//	/lib/x86_64-linux-gnu/libc.so.6   "
//	/tmp
//
// The reference carries the executable's hash, so the image is made once for
// each build of the program. Old ones that nothing uses are removed: all but
// the newest few.
func (e *Engine) Self(ctx context.Context) (ImageInfo, error) {
	digest, err := e.self.of(selfExecutable)
	if err != nil {
		return ImageInfo{}, err
	}
	choice := images.Choice{Component: selfComponent, Ref: selfRepository + ":" + digest[:16], Origin: images.Built}
	info, found, err := e.inspect(ctx, choice)
	if found || err != nil {
		return info, err
	}
	return shared(ctx, e, choice.Ref, func() (ImageInfo, error) { return e.makeSelf(ctx, choice) })
}

// selfExecutable names our own program file even after it has been replaced or
// removed on disk, as `go run` and `go test` do.
const selfExecutable = "/proc/self/exe"

func (c *selfCache) of(path string) (string, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.digest != "" {
		return c.digest, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open our own executable: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("hash our own executable: %w", err)
	}
	c.digest = hex.EncodeToString(sum.Sum(nil))
	return c.digest, nil
}

func (e *Engine) makeSelf(ctx context.Context, choice images.Choice) (ImageInfo, error) {
	release, err := lockFile(ctx, selfComponent)
	if err != nil {
		return ImageInfo{}, err
	}
	defer release()
	if info, found, err := e.inspect(ctx, choice); found || err != nil {
		return info, err
	}
	needed, err := libraries(selfExecutable)
	if err != nil {
		return ImageInfo{}, err
	}
	archive, into := io.Pipe()
	packed := make(chan struct{})
	go func() {
		defer close(packed)
		_ = into.CloseWithError(packSelf(into, selfExecutable, needed))
	}()
	err = e.importTar(ctx, archive, choice.Ref, []string{
		`ENTRYPOINT ["` + SelfPath + `"]`, "LABEL " + LabelSelf + "=1", "LABEL " + LabelImage + "=1", "LABEL " + LabelComponent + "=" + selfComponent,
	})
	_ = archive.CloseWithError(errors.New("import ended"))
	<-packed
	if err != nil {
		return ImageInfo{}, err
	}
	if err := e.pruneSelf(ctx, choice.Ref, time.Now()); err != nil {
		return ImageInfo{}, fmt.Errorf("remove old images of ourselves: %w", err)
	}
	info, found, err := e.inspect(ctx, choice)
	if err == nil && !found {
		err = fmt.Errorf("image %s: the engine does not have it after the import", choice.Ref)
	}
	return info, err
}

// packSelf writes the root file system of the self image. Libraries are stored
// as plain files under the path the loader uses, with links resolved.
func packSelf(into io.Writer, program string, libraries []string) error {
	archive := tar.NewWriter(into)
	if err := archive.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}); err != nil {
		return err
	}
	if err := packFile(archive, program, SelfPath); err != nil {
		return err
	}
	folders := map[string]bool{}
	for _, library := range libraries {
		for _, folder := range parents(library) {
			if folders[folder] {
				continue
			}
			folders[folder] = true
			if err := archive.WriteHeader(&tar.Header{Name: folder + "/", Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
				return err
			}
		}
		if err := packFile(archive, library, library); err != nil {
			return err
		}
	}
	return archive.Close()
}

// parents lists the folders above an absolute path, outermost first, without
// the leading slash.
func parents(path string) []string {
	var out []string
	for dir := filepath.Dir(path); dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		out = append([]string{strings.TrimPrefix(dir, "/")}, out...)
	}
	return out
}

func packFile(archive *tar.Writer, from, to string) error {
	file, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("pack %s: %w", from, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("pack %s: %w", from, err)
	}
	header := &tar.Header{Name: strings.TrimPrefix(to, "/"), Typeflag: tar.TypeReg, Mode: 0o755, Size: info.Size()}
	if err := archive.WriteHeader(header); err != nil {
		return fmt.Errorf("pack %s: %w", from, err)
	}
	if _, err := io.Copy(archive, file); err != nil {
		return fmt.Errorf("pack %s: %w", from, err)
	}
	return nil
}

// pruneSelf removes older images of other builds of ourselves. An image in use
// by a container is not removed.
func (e *Engine) pruneSelf(ctx context.Context, current string, now time.Time) error {
	filters := client.Filters{}.Add("label", LabelSelf+"=1")
	list, err := e.client.ImageList(ctx, client.ImageListOptions{Filters: filters})
	if err != nil {
		return err
	}
	var old []selfImage
	for _, item := range list.Items {
		for _, ref := range item.RepoTags {
			if ref != current && strings.HasPrefix(ref, selfRepository+":") {
				old = append(old, selfImage{ref: ref, made: time.Unix(item.Created, 0)})
			}
		}
	}
	for _, ref := range stale(old, now) {
		if err := e.remove(ctx, ref); err != nil {
			return fmt.Errorf("remove image %s: %w", ref, err)
		}
	}
	return nil
}

type selfImage struct {
	ref  string
	made time.Time
}

// stale picks the images to remove.
func stale(old []selfImage, now time.Time) []string {
	sort.Slice(old, func(i, j int) bool { return old[i].made.After(old[j].made) })
	var out []string
	for i, image := range old {
		if i >= selfKept && now.Sub(image.made) > selfYoung {
			out = append(out, image.ref)
		}
	}
	return out
}
