package mysql

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
)

func members(n int) []member {
	out := make([]member, n)
	for i := range out {
		out[i] = member{"mysql-" + string(rune('1'+i)), netip.AddrFrom4([4]byte{10, 0, 0, byte(11 + i)})}
	}
	return out
}

// own is a configuration without the lines that all servers share.
func own(t *testing.T, config string) []string {
	t.Helper()
	_, rest, found := strings.Cut(config, "super_read_only=ON\n")
	require.True(t, found, "every server begins read-only")
	return strings.Split(strings.TrimSpace(rest), "\n")
}

func TestASemiSyncServerIsConfigured(t *testing.T) {
	config := SemiSync{Replicas: 2, Acks: 1}.config(members(3), 1)
	for _, line := range []string{"server_id=2", "report_host=10.0.0.12", "sync_binlog=1", "innodb_flush_log_at_trx_commit=1", "gtid_mode=ON", "relay_log_recovery=ON"} {
		assert.Contains(t, strings.Split(config, "\n"), line)
	}
	assert.Equal(t, []string{
		"plugin-load-add=semisync_source.so;semisync_replica.so;mysql_clone.so",
		"rpl_semi_sync_replica_enabled=ON",
		"skip_replica_start=ON",
		"replica_net_timeout=1",
	}, own(t, config))
}

// The last of two lines counts.
func TestASourceThatLeavesSyncingToTheKernelIsConfigured(t *testing.T) {
	lines := own(t, SemiSync{Replicas: 2, Acks: 1, NoSync: true, Disk: InterposedDisk}.config(members(3), 0))
	assert.Equal(t, []string{"innodb_flush_method=fsync", "sync_binlog=0", "innodb_flush_log_at_trx_commit=2"}, lines[len(lines)-3:])
}

func TestTheFirstServersDataLieOnItsDisk(t *testing.T) {
	assert.Equal(t, PlainDisk, SemiSync{Disk: PlainDisk}.disk(0))
	assert.Equal(t, NoDisk, SemiSync{Disk: PlainDisk}.disk(1))
	assert.Empty(t, NoDisk.volumes())
	assert.Equal(t, []harness.Disk{{Path: "/data", SizeMB: diskMB}}, PlainDisk.volumes())
	assert.Equal(t, []harness.Disk{{Path: "/data", SizeMB: diskMB, Interposed: true}}, InterposedDisk.volumes())
}

func TestAGroupMemberIsConfigured(t *testing.T) {
	config := Group{Members: 3, ExpelTimeout: 5 * time.Second, UnreachableMajorityTimeout: 2 * time.Second, Consistency: Eventual}.config(members(3), 2)
	assert.Equal(t, []string{
		"plugin-load-add=group_replication.so;mysql_clone.so",
		"group_replication_group_name=" + groupName,
		"group_replication_local_address=10.0.0.13:13306",
		"group_replication_group_seeds=10.0.0.11:13306,10.0.0.12:13306,10.0.0.13:13306",
		"group_replication_ip_allowlist=10.0.0.11,10.0.0.12,10.0.0.13",
		"group_replication_communication_stack=XCOM",
		"group_replication_recovery_get_public_key=ON",
		"group_replication_start_on_boot=OFF",
		"group_replication_bootstrap_group=OFF",
		"group_replication_single_primary_mode=ON",
		"group_replication_exit_state_action=READ_ONLY",
		"group_replication_member_expel_timeout=5",
		"group_replication_unreachable_majority_timeout=2",
		"group_replication_consistency=EVENTUAL",
	}, own(t, config))
}

func TestTheManagerIsToldWhatTheSystemDeclares(t *testing.T) {
	settings := SemiSync{Replicas: 1, Acks: 1, WaitPoint: AfterCommit, AckTimeout: 10 * time.Second, DownAfter: 2 * time.Second}.managerSettings(members(2))
	assert.Equal(t, map[string]string{
		"HADRILL_SERVERS": "mysql-1=10.0.0.11:3306,mysql-2=10.0.0.12:3306",
		"HADRILL_ACKS":    "1", "HADRILL_WAIT_POINT": "AFTER_COMMIT", "HADRILL_ACK_TIMEOUT": "10s",
		"HADRILL_DOWN_AFTER": "2s", "HADRILL_POLL": "100ms", "HADRILL_HEARTBEAT": "250ms",
	}, settings)
}

func TestWhatCannotBeMeantIsRefused(t *testing.T) {
	for want, s := range map[string]interface{ check() error }{
		"Replicas":                SemiSync{},
		"Acks":                    SemiSync{Replicas: 1, Acks: 2},
		"WaitPoint":               SemiSync{Replicas: 1, WaitPoint: "NEVER"},
		"NetTimeout":              SemiSync{Replicas: 1, NetTimeout: 1500 * time.Millisecond},
		"Reads":                   SemiSync{Replicas: 1, Reads: "anywhere"},
		"Disk":                    SemiSync{Replicas: 1, Disk: "floppy"},
		"Backup":                  SemiSync{Replicas: 1, Backup: Backup{Hold: time.Second}},
		"Members":                 Group{Members: 1},
		"ExpelTimeout":            Group{Members: 3, ExpelTimeout: time.Millisecond},
		"Consistency":             Group{Members: 3, Consistency: "SOMETIMES"},
		"Group: Isolation":        Group{Members: 3, Isolation: "SERIALISABLE"},
		"mysql.SemiSync: Isolati": SemiSync{Replicas: 1, Isolation: "NONE"},
	} {
		assert.ErrorContains(t, s.check(), want)
	}
	assert.NoError(t, SemiSync{Replicas: 2, Acks: 1}.check())
	assert.NoError(t, Group{Members: 3}.check())
}

func TestMilestones(t *testing.T) {
	keep := func(text string) harness.Milestone { return harness.Milestone{Keep: true, Text: text} }
	declared, owner := keep("declared: mysql-1 is dead: silent for 1.2s, and mysql-2 lost it too"), keep("promoted: mysql-2 accepts writes, term 2")
	declared.Declared, owner.Owner = true, true
	unreachable := keep("Plugin group_replication reported: 'Member with address 10.0.0.11:3306 has become unreachable.'")
	unreachable.Declared = true
	working := keep("Plugin group_replication reported: 'This server is working as primary member.'")
	working.Owner = true
	for _, c := range []struct {
		reader     harness.Milestones
		node, line string
		want       harness.Milestone
		found      bool
	}{
		{(*SemiSyncRunning)(nil), "manager", declared.Text, declared, true},
		{(*SemiSyncRunning)(nil), "manager", owner.Text, owner, true},
		{(*SemiSyncRunning)(nil), "manager", "fenced: mysql-2 stopped receiving", keep("fenced: mysql-2 stopped receiving"), true},
		{(*SemiSyncRunning)(nil), "manager", "manager serves on port 8080", harness.Milestone{}, false},
		{(*SemiSyncRunning)(nil), "mysql-1", "2026-05-01T10:00:00.1Z 12 [Warning] [MY-011153] [Repl] Timeout waiting for reply of binlog (file: b, pos: 4)", keep("Timeout waiting for reply of binlog (file: b, pos: 4)"), true},
		{(*SemiSyncRunning)(nil), "mysql-1", "2026-05-01T10:00:00.1Z 12 [Note] [MY-010733] [Server] Shutting down plugin 'clone'", harness.Milestone{}, false},
		{(*GroupRunning)(nil), "mysql-2", "2026-05-01T10:00:00.1Z 0 [Warning] [MY-011493] [Repl] " + unreachable.Text, unreachable, true},
		{(*GroupRunning)(nil), "mysql-2", "2026-05-01T10:00:00.1Z 24 [System] [MY-011510] [Repl] " + working.Text, working, true},
	} {
		m, found := c.reader.Milestone(c.node, c.line)
		assert.Equal(t, c.found, found, c.line)
		assert.Equal(t, c.want, m, c.line)
	}
}

func TestTheSetUpForOtherImagesIsTheTemplates(t *testing.T) {
	setup, err := setupSQL()
	require.NoError(t, err)
	assert.Contains(t, string(setup), "CREATE USER 'manager'@'%'")
}

func TestAViewIsTheGroupsWillOnlyWithAMajority(t *testing.T) {
	assert.True(t, view{self: "ONLINE", online: 2, listed: 3}.majority())
	assert.False(t, view{self: "ONLINE", online: 1, listed: 3}.majority(), "an isolated member")
	assert.False(t, view{self: "ONLINE", online: 1, listed: 2}.majority(), "half is no majority")
	assert.False(t, view{self: "ERROR", online: 2, listed: 3}.majority(), "expelled")
	assert.False(t, view{self: "OFFLINE"}.majority())
}
