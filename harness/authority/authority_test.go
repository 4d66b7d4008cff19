package authority_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/authority"
)

func leaf(t *testing.T, p authority.Pair) *x509.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	require.NoError(t, err, "the key belongs to the certificate")
	return pair.Leaf
}

func TestALeafIsGoodForItsAddressItsTimeAndItsUse(t *testing.T) {
	a, err := authority.New("run 1")
	require.NoError(t, err)
	stranger, err := authority.New("run 2")
	require.NoError(t, err)
	until := time.Now().Add(10 * time.Second)
	p, err := a.Issue(authority.Leaf{Name: "nginx", Addrs: []netip.Addr{netip.MustParseAddr("10.1.2.3")}, Until: until})
	require.NoError(t, err)
	c := leaf(t, p)
	assert.False(t, p.Until.After(until))
	good := x509.VerifyOptions{Roots: a.Pool(), DNSName: "10.1.2.3"}
	_, err = c.Verify(good)
	assert.NoError(t, err)
	for name, o := range map[string]x509.VerifyOptions{
		"another address":  {Roots: a.Pool(), DNSName: "10.1.2.4"},
		"after its end":    {Roots: a.Pool(), DNSName: "10.1.2.3", CurrentTime: until.Add(time.Second)},
		"before its start": {Roots: a.Pool(), DNSName: "10.1.2.3", CurrentTime: time.Now().Add(-time.Minute)},
		"another root":     {Roots: stranger.Pool(), DNSName: "10.1.2.3"},
		"as a client":      {Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
	} {
		_, err := c.Verify(o)
		assert.Error(t, err, name)
	}
	client, err := a.Issue(authority.Leaf{Name: "load", Client: true})
	require.NoError(t, err)
	_, err = leaf(t, client).Verify(x509.VerifyOptions{Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	assert.NoError(t, err)
	assert.NotEqual(t, p.Serial, client.Serial)
}
