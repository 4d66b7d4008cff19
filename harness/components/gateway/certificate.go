package gateway

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// certificateLook is how long a certificate is shown without a look at its
// files.
const certificateLook = 100 * time.Millisecond

// certificates shows the newest pair that the files hold. A renewal needs no
// signal and no restart: the next handshakes show it, open connections go on.
// Files that cannot be read, or do not fit each other, change nothing: the pair
// that was good is shown on, and the fault is said once. Safe for concurrent use.
type certificates struct {
	files TLS
	say   func(line string)

	mu     sync.Mutex
	pair   *tls.Certificate
	stamp  [2]fileStamp
	looked time.Time
}

// fileStamp tells one version of a file from the next. Files are renewed by
// renaming, so the next one is another inode; its time alone may be the same,
// because the kernel's clock for files ticks every few milliseconds.
type fileStamp struct {
	changed time.Time
	size    int64
	inode   uint64
}

func newCertificates(files TLS, say func(string)) (*certificates, error) {
	c := &certificates{files: files, say: say}
	stamp, err := c.stamps()
	if err != nil {
		return nil, err
	}
	if err := c.load(stamp); err != nil {
		return nil, err
	}
	return c, nil
}

// get implements tls.Config.GetCertificate.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= certificateLook {
		c.look()
	}
	return c.pair, nil
}

func (c *certificates) look() {
	c.looked = time.Now()
	stamp, err := c.stamps()
	if err == nil && stamp == c.stamp {
		return
	}
	if err == nil {
		err = c.load(stamp)
	}
	if err != nil {
		if stamp != c.stamp {
			c.say(fmt.Sprintf("keeps the certificate it has: %v", err))
		}
		c.stamp = stamp
		return
	}
	c.say("shows a new certificate until " + c.pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
}

func (c *certificates) stamps() (stamp [2]fileStamp, err error) {
	for i, name := range []string{c.files.Cert, c.files.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return stamp, fmt.Errorf("HADRILL_TLS_CERT, HADRILL_TLS_KEY: %w", err)
		}
		stamp[i] = fileStamp{changed: info.ModTime(), size: info.Size()}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			stamp[i].inode = s.Ino
		}
	}
	return stamp, nil
}

func (c *certificates) load(stamp [2]fileStamp) error {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("HADRILL_TLS_CERT, HADRILL_TLS_KEY: %w", err)
	}
	c.pair, c.stamp, c.looked = &pair, stamp, time.Now()
	return nil
}
