package vip

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
)

var (
	self     = netip.MustParsePrefix("10.213.0.12/24")
	peer     = netip.MustParsePrefix("10.213.0.13/24")
	shared   = netip.MustParsePrefix("10.213.0.11/24")
	backends = []netip.Addr{netip.MustParseAddr("10.213.0.14"), netip.MustParseAddr("10.213.0.15")}
)

func TestKeepalivedSpeaksForTheProxyAndForTheLease(t *testing.T) {
	p := Pair{Proxy: Nginx, CheckInterval: 200 * time.Millisecond, Arbiter: true}.filled()
	require.Equal(t, `global_defs {
    router_id entry-1
    vrrp_version 3
    script_user root
    enable_script_security
}
vrrp_script service {
    script "/etc/hadrill/check.sh 8078"
    interval 0.2
    timeout 1
    fall 1
    rise 2
}
track_file lease {
    file "/run/hadrill/lease"
    weight 0
}
vrrp_instance entry {
    state BACKUP
    nopreempt
    interface @DEVICE@
    virtual_router_id 51
    priority 150
    advert_int 0.1
    unicast_src_ip 10.213.0.12
    unicast_peer {
        10.213.0.13
    }
    virtual_ipaddress {
        10.213.0.11/24
    }
    track_script {
        service
    }
    track_file {
        lease
    }
}
`, p.keepalived(0, self, peer, shared))
}

func TestTheCarelessPairChecksNothing(t *testing.T) {
	p := Pair{Proxy: HAProxy, Advert: time.Second}.filled()
	config := p.keepalived(1, peer, self, shared)
	require.NotContains(t, config, "track_")
	require.NotContains(t, config, "vrrp_script")
	require.Contains(t, config, "    priority 100\n")
	require.Contains(t, config, "    advert_int 1\n")
	require.NotContains(t, p.haproxy(backends), "httpchk")
	require.Contains(t, p.haproxy(backends), "    server backend-2 10.213.0.15:8080\n")
}

func TestHAProxyShutsTheConnectionsOfADeadBackendAndLeavesThoseOfADrainingOne(t *testing.T) {
	p := Pair{Proxy: HAProxy, BackendCheck: 100 * time.Millisecond}.filled()
	require.Contains(t, p.haproxy(backends), "    server backend-1 10.213.0.14:8080 check inter 100ms fall 1 rise 2 on-marked-down shutdown-sessions\n")
	p.Drain = time.Second
	require.Contains(t, p.haproxy(backends), "    server backend-1 10.213.0.14:8080 check inter 100ms fall 1 rise 2\n")
}

func TestNginxPassesOnToEveryBackend(t *testing.T) {
	config := Pair{Proxy: Nginx}.filled().nginx(backends)
	require.Contains(t, config, "        server 10.213.0.14:8080 max_fails=1 fail_timeout=10s;\n        server 10.213.0.15:8080 ")
}

func TestBackendsThatOthersStartTakeThePlaceOfItsOwn(t *testing.T) {
	p := Pair{Proxy: Nginx, Others: []string{"orders-1"}, PassOn: time.Second}.filled()
	require.NoError(t, p.check())
	require.Zero(t, p.Backends)
	require.Contains(t, p.nginx(backends), "            proxy_read_timeout 1000ms;\n")
}

func TestADeclarationThatCannotBeMeantIsRefused(t *testing.T) {
	good := Pair{Proxy: Nginx}
	require.NoError(t, good.filled().check())
	for name, spoil := range map[string]func(*Pair){
		"no proxy":        func(p *Pair) { p.Proxy = "" },
		"unknown proxy":   func(p *Pair) { p.Proxy = "apache" },
		"too many":        func(p *Pair) { p.Backends = 17 },
		"negative":        func(p *Pair) { p.CheckInterval = -time.Second },
		"microseconds":    func(p *Pair) { p.Term = 1500 * time.Microsecond },
		"two zones":       func(p *Pair) { p.Zones = []string{"a", "b"} },
		"negative limit":  func(p *Pair) { p.BackendLimit = -1 },
		"limit of tcp":    func(p *Pair) { p.Proxy, p.BackendLimit = HAProxy, 1 },
		"advert too fine": func(p *Pair) { p.Advert = 5 * time.Millisecond },
		"advert too long": func(p *Pair) { p.Advert = time.Minute },
	} {
		p := good
		spoil(&p)
		require.Error(t, p.filled().check(), name)
	}
}

func TestKeepalivedDeclaresAFailureAndANewOwner(t *testing.T) {
	r := &Running{}
	for line, want := range map[string]harness.Milestone{
		"Sun Mar  1 10:00:00 2026: (entry) Receive advertisement timeout":            {Declared: true, Keep: true, Text: "Receive advertisement timeout"},
		"Sun Mar  1 10:00:00 2026: (entry) Backup received priority 0 advertisement": {Declared: true, Keep: true, Text: "Backup received priority 0 advertisement"},
		"Sun Mar  1 10:00:00 2026: (entry) Entering MASTER STATE":                    {Owner: true, Keep: true, Text: "Entering MASTER STATE"},
		"Sun Mar  1 10:00:00 2026: (entry) Entering FAULT STATE":                     {Keep: true, Text: "Entering FAULT STATE"},
		"lease lost": {Keep: true, Text: "lease lost"},
		"[ALERT]    (17) : backend 'app' has no server available!":                                  {},
		"[WARNING]  (17) : Server app/backend-1 is DOWN, reason: Layer7 timeout, check duration: 2": {Declared: true, Keep: true, Text: "[WARNING]  (17) : Server app/backend-1 is DOWN, reason: Layer7 timeout, check duration: 2"},
	} {
		m, ok := r.Milestone("entry-1", line)
		require.Equal(t, want, m, line)
		require.Equal(t, want != harness.Milestone{}, ok, line)
	}
}
