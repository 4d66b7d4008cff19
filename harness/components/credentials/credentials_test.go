package credentials_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/authority"
	"github.com/hadrill/hadrill/harness/components/credentials"
)

func TestARenewedCertificateIsShownAndABrokenOneIsNot(t *testing.T) {
	trust, err := authority.New("test")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "server.pem")
	write := func(content []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(file+".new", content, 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	renew := func() int64 {
		t.Helper()
		p, err := trust.Issue(authority.Leaf{Name: "gateway"})
		require.NoError(t, err)
		write(append(p.Cert, p.Key...))
		return p.Serial
	}
	first := renew()
	var said []string
	c, err := credentials.Open("HADRILL_TLS_CERT", credentials.Files{Cert: file, Key: file}, func(line string) { said = append(said, line) })
	require.NoError(t, err)
	shown := func() int64 {
		pair, err := c.Server(nil)
		require.NoError(t, err)
		return pair.Leaf.SerialNumber.Int64()
	}
	assert.Equal(t, first, shown())
	second := renew()
	require.Eventually(t, func() bool { return shown() == second }, 10*time.Second, 10*time.Millisecond)
	write([]byte("not a certificate"))
	require.Eventually(t, func() bool { shown(); return len(said) == 2 }, 10*time.Second, 10*time.Millisecond)
	assert.Contains(t, said[1], "keeps the certificate it has")
	assert.Equal(t, second, shown())
	third := renew()
	require.Eventually(t, func() bool { return shown() == third }, 10*time.Second, 10*time.Millisecond)

	_, err = credentials.Open("HADRILL_TLS_CERT", credentials.Files{Cert: file + ".missing", Key: file}, nil)
	assert.ErrorContains(t, err, "HADRILL_TLS_CERT", "at the start it is an error")
}

func TestWhomToTrustIsReadFromAFile(t *testing.T) {
	trust, err := authority.New("test")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "root.pem")
	_, err = credentials.Roots("HADRILL_TLS_CLIENTS", file)
	require.ErrorContains(t, err, "HADRILL_TLS_CLIENTS")
	require.NoError(t, os.WriteFile(file, trust.RootPEM(), 0o600))
	pool, err := credentials.Roots("HADRILL_TLS_CLIENTS", file)
	require.NoError(t, err)
	require.True(t, pool.Equal(trust.Pool()))
	require.NoError(t, os.WriteFile(file, []byte("nobody"), 0o600))
	_, err = credentials.Roots("HADRILL_TLS_CLIENTS", file)
	require.ErrorContains(t, err, "holds no certificate")
}
