// Package credentials shows certificates from files that are renewed under a
// running process, as a server or as a client, and reads whom to trust.
//
//	server.pem ── renewed by renaming ──▶ Pair ──▶ the next handshakes show it
//	                                      (looks each 100 ms that it is asked)
package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// lookPause is how long a certificate is shown without a look at its files.
const lookPause = 100 * time.Millisecond

// Files name a certificate and its key, PEM; one file may hold both.
type Files struct{ Cert, Key string }

// Pair is a certificate with its key: the newest that the files hold. A renewal needs no
// signal and no restart: the next handshakes show it, open connections go on.
// Files that cannot be read, or do not fit each other, change nothing: the pair
// that was good is shown on, and the fault is said once. Safe for concurrent use.
type Pair struct {
	name  string
	files Files
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

// Open reads the files. name stands for them in errors: the settings that they
// were named by. say is told what changes, one line each; it is called during
// handshakes.
func Open(name string, files Files, say func(line string)) (*Pair, error) {
	c := &Pair{name: name, files: files, say: say}
	stamp, err := c.stamps()
	if err != nil {
		return nil, err
	}
	if err := c.load(stamp); err != nil {
		return nil, err
	}
	return c, nil
}

// Server implements tls.Config.GetCertificate.
func (c *Pair) Server(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.newest(), nil }

// Client implements tls.Config.GetClientCertificate.
func (c *Pair) Client(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.newest(), nil }

func (c *Pair) newest() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= lookPause {
		c.look()
	}
	return c.pair
}

func (c *Pair) look() {
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

func (c *Pair) stamps() (stamp [2]fileStamp, err error) {
	for i, name := range []string{c.files.Cert, c.files.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return stamp, fmt.Errorf("%s: %w", c.name, err)
		}
		stamp[i] = fileStamp{changed: info.ModTime(), size: info.Size()}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			stamp[i].inode = s.Ino
		}
	}
	return stamp, nil
}

func (c *Pair) load(stamp [2]fileStamp) error {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	c.pair, c.stamp, c.looked = &pair, stamp, time.Now()
	return nil
}

// Roots reads the authorities whose certificates are trusted, PEM. name stands
// for the file in errors.
func Roots(name, file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: %s holds no certificate", name, file)
	}
	return pool, nil
}
