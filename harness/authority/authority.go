// Package authority makes certificates for one run: a root that nobody else
// trusts, and leaves below it with any life a drill asks for, seconds included.
//
//	Authority (root, in memory, of this run alone)
//	   ├── Issue: server, valid from .. to, for addresses and names
//	   └── Issue: client, for mutual TLS
//
// Keys are ECDSA P-256: made in well under a millisecond, so that a renewal
// measures the server and not this package. A root's key never leaves the
// process, and nothing a run makes is valid after its root, which ends a day
// after it was made.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// rootLife is how long a root is valid.
const rootLife = 24 * time.Hour

// clockSlack is how far before now a root begins to be valid: drills move
// clocks.
const clockSlack = time.Hour

// Authority issues certificates. Safe for concurrent use.
type Authority struct {
	root   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial atomic.Int64
}

// New makes an authority with a root of its own.
func New(name string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("authority %s: make a key: %w", name, err)
	}
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-clockSlack), NotAfter: now.Add(rootLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	raw, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("authority %s: sign the root: %w", name, err)
	}
	if root, err = x509.ParseCertificate(raw); err != nil {
		return nil, fmt.Errorf("authority %s: read the root: %w", name, err)
	}
	a := &Authority{root: root, key: key}
	a.serial.Store(1)
	return a, nil
}

// Pool holds the root alone: who trusts it trusts this run's servers and
// nobody else's.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	return pool
}

// RootPEM is the root as a file.
func (a *Authority) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
}

// Leaf is what a certificate is to say.
type Leaf struct {
	Name   string       // common name, and a DNS name when it is one
	Addrs  []netip.Addr // addresses it is valid for
	From   time.Time    // default: now
	Until  time.Time    // default: the root's end
	Client bool         // for a client; default: for a server
}

// Pair is a certificate and its key.
type Pair struct {
	Cert, Key []byte // PEM
	Serial    int64
	Until     time.Time // whole seconds: X.509 knows no parts of one
}

// Issue makes a certificate with a key of its own. Times are cut to whole
// seconds (RFC 5280, 4.1.2.5), the end never later than asked.
func (a *Authority) Issue(l Leaf) (Pair, error) {
	if l.From.IsZero() {
		l.From = time.Now()
	}
	if l.Until.IsZero() {
		l.Until = a.root.NotAfter
	}
	usage := x509.ExtKeyUsageServerAuth
	if l.Client {
		usage = x509.ExtKeyUsageClientAuth
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate of %s: make a key: %w", l.Name, err)
	}
	serial := a.serial.Add(1)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: l.Name}, DNSNames: []string{l.Name},
		NotBefore: l.From.Truncate(time.Second), NotAfter: l.Until.Truncate(time.Second),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, BasicConstraintsValid: true,
	}
	for _, addr := range l.Addrs {
		cert.IPAddresses = append(cert.IPAddresses, net.IP(addr.AsSlice()))
	}
	raw, err := x509.CreateCertificate(rand.Reader, cert, a.root, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate of %s: sign: %w", l.Name, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate of %s: encode its key: %w", l.Name, err)
	}
	return Pair{
		Cert:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}),
		Key:    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		Serial: serial, Until: cert.NotAfter,
	}, nil
}
