package engine

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// libraries lists the files that a program needs beside itself to start: its
// ELF interpreter and, all the way down, the shared libraries it names. A
// static program needs none. Paths are absolute, as the loader will look for
// them; the search follows ld.so(8): the object's own run path, then the
// system's configured and built-in folders. Libraries opened at run time
// (dlopen, name service modules) are not in the file and not in the list.
func libraries(program string) ([]string, error) {
	finder := libraryFinder{folders: systemFolders(), seen: map[string]bool{}}
	if err := finder.visit(program); err != nil {
		return nil, fmt.Errorf("libraries of %s: %w", program, err)
	}
	return finder.found, nil
}

type libraryFinder struct {
	folders []string
	seen    map[string]bool // by file path, and by name once found
	found   []string
}

func (f *libraryFinder) visit(path string) error {
	object, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("read ELF %s: %w", path, err)
	}
	defer object.Close()
	for _, segment := range object.Progs {
		if segment.Type != elf.PT_INTERP {
			continue
		}
		text := make([]byte, segment.Filesz)
		if _, err := segment.ReadAt(text, 0); err != nil {
			return fmt.Errorf("read interpreter of %s: %w", path, err)
		}
		f.add(strings.TrimRight(string(text), "\x00"))
	}
	needed, err := object.ImportedLibraries()
	if errors.Is(err, elf.ErrNoSymbols) || len(needed) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read needed libraries of %s: %w", path, err)
	}
	search := append(runPath(object, filepath.Dir(path)), f.folders...)
	for _, name := range needed {
		if err := f.resolve(name, path, object, search); err != nil {
			return err
		}
	}
	return nil
}

// resolve finds one needed library and then what that library needs.
func (f *libraryFinder) resolve(name, neededBy string, like *elf.File, search []string) error {
	if f.seen[name] {
		return nil
	}
	f.seen[name] = true
	if strings.Contains(name, "/") {
		f.add(name)
		return f.visit(name)
	}
	for _, folder := range search {
		path := filepath.Join(folder, name)
		if !sameMachine(path, like) {
			continue
		}
		if f.add(path) {
			return f.visit(path)
		}
		return nil
	}
	return fmt.Errorf("%s needs %s, which is in none of %s: %w", neededBy, name, strings.Join(search, ", "), fs.ErrNotExist)
}

// add notes a file once; it tells whether it was new.
func (f *libraryFinder) add(path string) bool {
	if f.seen[path] {
		return false
	}
	f.seen[path] = true
	f.found = append(f.found, path)
	return true
}

// sameMachine skips libraries of another architecture, as the loader does.
func sameMachine(path string, like *elf.File) bool {
	object, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer object.Close()
	return object.Class == like.Class && object.Machine == like.Machine
}

func runPath(object *elf.File, origin string) []string {
	var out []string
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		values, err := object.DynString(tag)
		if err != nil {
			continue
		}
		for _, value := range values {
			for _, folder := range strings.Split(value, ":") {
				folder = strings.NewReplacer("$ORIGIN", origin, "${ORIGIN}", origin).Replace(folder)
				if folder != "" {
					out = append(out, folder)
				}
			}
		}
	}
	return out
}

// systemFolders reads ld.so.conf(5) and adds the loader's built-in folders.
func systemFolders() []string {
	return append(readLoaderConfig("/etc/ld.so.conf", 0), "/lib64", "/usr/lib64", "/lib", "/usr/lib")
}

func readLoaderConfig(path string, depth int) []string {
	const deepest = 4 // includes of includes; a loop must end
	file, err := os.Open(path)
	if err != nil || depth > deepest {
		return nil
	}
	defer file.Close()
	var out []string
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		line, _, _ := strings.Cut(scanner.Text(), "#")
		line = strings.TrimSpace(line)
		if pattern, isInclude := strings.CutPrefix(line, "include "); isInclude {
			pattern = strings.TrimSpace(pattern)
			if !filepath.IsAbs(pattern) {
				pattern = filepath.Join(filepath.Dir(path), pattern)
			}
			matches, _ := filepath.Glob(pattern)
			for _, match := range matches {
				out = append(out, readLoaderConfig(match, depth+1)...)
			}
		} else if filepath.IsAbs(line) {
			out = append(out, line)
		}
	}
	return out
}
