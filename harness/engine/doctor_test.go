package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/system"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDoctorSaysWhatEachLackCosts(t *testing.T) {
	connected(t)
	findings := Doctor(t.Context())
	names := map[string]Finding{}
	for _, finding := range findings {
		names[finding.Name] = finding
		t.Logf("%-26s %-5v %s | %s | %s", finding.Name, finding.OK, finding.Detail, finding.Cost, finding.Remedy)
		assert.NotEmpty(t, finding.Detail, finding.Name)
		if finding.OK {
			assert.Empty(t, finding.Cost, finding.Name)
		} else {
			assert.NotEmpty(t, finding.Cost, finding.Name)
		}
	}
	assert.Len(t, names, len(findings), "no name twice")
	for _, name := range []string{"machine", "limits", "kernel", "netem", "nf_tables", "packet queue", "engine", "cgroups", "disk", "image base", "image redis", "agent container"} {
		assert.Contains(t, names, name)
	}
}

func TestDoctorAnswersWithoutAnEngine(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	findings := Doctor(t.Context())
	last := findings[len(findings)-1]
	assert.Equal(t, "engine", last.Name)
	assert.False(t, last.OK)
	assert.Equal(t, "no drill can run", last.Cost)
	assert.NotEmpty(t, last.Remedy)
}

func TestKernelConfigIsJudgedByOptionAndModule(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "modules.dep"), []byte("kernel/net/sched/sch_netem.ko.xz:\n"), 0o600))
	options := parseKernelConfig(strings.NewReader("CONFIG_NF_TABLES=y\nCONFIG_NET_SCH_NETEM=m\n# CONFIG_X is not set\nCONFIG_NAME=\"a=b\"\n"))
	assert.Equal(t, `"a=b"`, options["CONFIG_NAME"])

	full := kernelConfig{options: options, modules: folder}
	bare := kernelConfig{options: options, modules: filepath.Join(folder, "absent")}
	silent := kernelConfig{modules: filepath.Join(folder, "absent")}
	for _, c := range []struct {
		name           string
		config         kernelConfig
		option, module string
		want           bool
	}{
		{"built in", full, "CONFIG_NF_TABLES", "nf_tables", true},
		{"module installed", full, "CONFIG_NET_SCH_NETEM", "sch_netem", true},
		{"module configured but not installed", bare, "CONFIG_NET_SCH_NETEM", "sch_netem", false},
		{"not set", full, "CONFIG_X", "x", false},
		{"unknown", silent, "CONFIG_NF_TABLES", "nf_tables", false},
	} {
		got, detail := c.config.offers(c.option, c.module)
		assert.Equal(t, c.want, got, c.name)
		assert.NotEmpty(t, detail)
	}
}

func TestSecurityOptionsFollowTheEngine(t *testing.T) {
	assert.Empty(t, SecurityOptions(system.Info{SecurityOptions: []string{"name=seccomp,profile=default"}}))
	assert.Equal(t, []string{"apparmor=unconfined"}, SecurityOptions(system.Info{SecurityOptions: []string{"name=apparmor", "name=seccomp,profile=default"}}))
	assert.Equal(t, []string{"label=disable"}, SecurityOptions(system.Info{SecurityOptions: []string{"name=selinux"}}))
}
