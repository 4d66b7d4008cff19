package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hadrill/hadrill/harness/images"
)

// hostMaven is what a build needs to fetch with Maven as this machine does:
//
//	host/settings.xml           the user's settings, where a mirror is named
//	host/certificates/*.crt     certificates that this machine trusts beside
//	                            Debian's own (update-ca-certificates(8))
//
// Without any, Maven asks its central repository. The files are in a stage of
// the build that is removed after it, and in no image.
func hostMaven() ([]images.File, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = string(filepath.Separator)
	}
	return mavenFiles(home, "/usr/local/share/ca-certificates")
}

// noSettings stands for the settings of a user who has none.
const noSettings = "<settings/>\n"

func mavenFiles(home, certificates string) ([]images.File, error) {
	settings, err := os.ReadFile(filepath.Join(home, ".m2", "settings.xml"))
	if errors.Is(err, fs.ErrNotExist) {
		settings, err = []byte(noSettings), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Maven's settings: %w", err)
	}
	files := []images.File{{Name: "host/settings.xml", Content: settings}}
	// Glob errs on a bad pattern only; folders below are for larger sites.
	flat, _ := filepath.Glob(filepath.Join(certificates, "*.crt"))
	below, _ := filepath.Glob(filepath.Join(certificates, "*", "*.crt"))
	for i, name := range append(flat, below...) {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read an added certificate: %w", err)
		}
		files = append(files, images.File{Name: fmt.Sprintf("host/certificates/%d-%s", i, filepath.Base(name)), Content: content})
	}
	return files, nil
}
