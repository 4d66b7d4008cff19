package components

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/hadrill/hadrill/harness/components/credentials"
)

const (
	keyTLSCert    = "HADRILL_TLS_CERT"
	keyTLSKey     = "HADRILL_TLS_KEY"
	keyTLSClients = "HADRILL_TLS_CLIENTS"
	keyAge        = "HADRILL_CONNECTION_AGE"
)

// transit is how a component's HTTP travels. Settings of every component:
//
//	HADRILL_TLS_CERT, _KEY   PEM files: it speaks TLS, and nothing else, on its
//	                         port; renewed files are shown from the next handshake on
//	HADRILL_TLS_CLIENTS      PEM file of authorities: only clients that show a
//	                         certificate of theirs, good at that moment, are let in
//	HADRILL_CONNECTION_AGE   how long a connection is kept: the next answer ends
//	                         it in good order; default: for as long as its client likes
//
// A certificate is looked at in handshakes only. So a connection's age bounds
// how long one that has ended, or was taken back, is still good for.
type transit struct {
	files   credentials.Files
	clients string
	age     time.Duration
}

func readTransit(s *Settings) transit {
	t := transit{
		files:   credentials.Files{Cert: optional(s, keyTLSCert), Key: optional(s, keyTLSKey)},
		clients: optional(s, keyTLSClients), age: s.Duration(keyAge, 0),
	}
	switch {
	case (t.files.Cert == "") != (t.files.Key == ""):
		s.fail(keyTLSCert, t.files.Cert, "both "+keyTLSCert+" and "+keyTLSKey+", or none")
	case t.clients != "" && t.files.Cert == "":
		s.fail(keyTLSClients, t.clients, keyTLSCert+" as well, without which no client is asked for a certificate")
	}
	return t
}

// secure puts TLS before a listener, where it is set.
func (t transit) secure(l net.Listener, say func(line string)) (net.Listener, error) {
	if t.files == (credentials.Files{}) {
		return l, nil
	}
	shown, err := credentials.Open(keyTLSCert+", "+keyTLSKey, t.files, say)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	config := &tls.Config{GetCertificate: shown.Server, MinVersion: tls.VersionTLS12}
	if t.clients != "" {
		if config.ClientCAs, err = credentials.Roots(keyTLSClients, t.clients); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return tls.NewListener(l, config), nil
}

type bornKey struct{}

// born implements http.Server.ConnContext: it notes when a connection began.
func born(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, bornKey{}, time.Now())
}

// aged ends connections that have been kept long enough, each with an answer.
func (t transit) aged(next http.Handler) http.Handler {
	if t.age == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if began, ok := r.Context().Value(bornKey{}).(time.Time); ok && time.Since(began) >= t.age {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
