package reports

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// write puts data at path in one step: into a temporary file beside it,
// flushed, then renamed over it. The error names the file, the reason and
// what to do about it.
func write(path string, data []byte) (err error) {
	fail := func(err error) error {
		return fmt.Errorf("write report %s: %w%s", path, err, remedy(err))
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()           // it may be closed already
			_ = os.Remove(tmp.Name()) // leave no litter; the first error is what matters
		}
	}()
	if _, err = tmp.Write(data); err != nil {
		return fail(err)
	}
	if err = tmp.Chmod(0o644); err != nil {
		return fail(err)
	}
	if err = tmp.Sync(); err != nil {
		return fail(err)
	}
	if err = tmp.Close(); err != nil {
		return fail(err)
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return fail(err)
	}
	return nil
}

func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return " (free space there, or choose another folder; the run itself is kept in run.log and can be reported again)"
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS):
		return " (make the folder writable for this user, or choose another folder)"
	case errors.Is(err, os.ErrNotExist):
		return " (create the folder first)"
	}
	return ""
}
