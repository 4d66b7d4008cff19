package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/hadrill/hadrill/harness/components/credentials"
)

// listeners are the two sockets of a gateway.
type listeners struct {
	traffic, admin net.Listener
}

func (l listeners) close() error { return errors.Join(l.traffic.Close(), l.admin.Close()) }

// listen opens both sockets.
func listen(ctx context.Context, c Config) (listeners, error) {
	var open [2]net.Listener
	for i, port := range []int{c.Port, c.AdminPort} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", fmt.Sprintf(":%d", port))
		if err != nil {
			if open[0] != nil {
				err = errors.Join(err, open[0].Close())
			}
			return listeners{}, fmt.Errorf("listen on port %d: %w", port, err)
		}
		open[i] = l
	}
	return listeners{open[0], open[1]}, nil
}

// inherited takes over the sockets that a supervisor opened and handed on.
func inherited() (listeners, error) {
	var open [2]net.Listener
	for i, fd := range []uintptr{fdTraffic, fdAdmin} {
		file := os.NewFile(fd, "listener")
		l, err := net.FileListener(file)
		if err = errors.Join(err, file.Close()); err != nil {
			return listeners{}, fmt.Errorf("take over listener %d: %w", fd, err)
		}
		open[i] = l
	}
	return listeners{open[0], open[1]}, nil
}

// secured puts TLS before the traffic, if the configuration has a certificate.
func secured(l net.Listener, c TLS, say func(line string)) (net.Listener, error) {
	if c == (TLS{}) {
		return l, nil
	}
	shown, err := credentials.Open("HADRILL_TLS_CERT, HADRILL_TLS_KEY", credentials.Files(c), say)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(l, &tls.Config{GetCertificate: shown.Server, MinVersion: tls.VersionTLS12}), nil
}

// towards is how instances are spoken to: nil for plain HTTP. Both sides show a
// certificate: an instance's must be good for the address that it is listed at.
func towards(u Upstream, say func(line string)) (*tls.Config, error) {
	if u == (Upstream{}) {
		return nil, nil
	}
	roots, err := credentials.Roots("HADRILL_UPSTREAM_ROOTS", u.Roots)
	if err != nil {
		return nil, err
	}
	shown, err := credentials.Open("HADRILL_UPSTREAM_CERT, HADRILL_UPSTREAM_KEY", credentials.Files{Cert: u.Cert, Key: u.Key}, say)
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: roots, GetClientCertificate: shown.Client, MinVersion: tls.VersionTLS12}, nil
}
