package mysql

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/images"
	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

const (
	configFile = "/etc/hadrill/my.cnf"
	startFile  = "/etc/hadrill/start.sh"
	setupFile  = "/etc/hadrill/drill.sql"
	// groupPort is where members of a group talk. The manual's examples have
	// 33061, which lies in the range that Linux gives out to whoever asks for any
	// port (32768 to 60999): the engine's resolver, which listens inside every
	// container, may have it already, and then the member cannot join, however
	// often it tries.
	groupPort = 13306
	// groupName is the UUID that the transactions of a group bear.
	groupName = "5d1a6c1e-5eed-4a11-8d1a-0000000d0117"
)

//go:embed start.sh
var startScript []byte

// member is one node before it starts.
type member struct {
	name string
	addr netip.Addr
}

// lines collects configuration lines.
type lines struct{ strings.Builder }

func (l *lines) add(format string, args ...any) { fmt.Fprintf(l, format+"\n", args...) }

// common renders what all servers share. Durability is MySQL's own default:
// every commit is synced, in the redo log and in the binary log. Memory is
// small, and nothing is loaded that no drill looks at.
func common(l *lines, m member, id int) {
	l.add("[mysqld]")
	l.add("user=mysql")
	l.add("datadir=/data/mysql")
	l.add("socket=/tmp/mysql.sock")
	l.add("pid-file=/tmp/mysqld.pid")
	l.add("server_id=%d", id)
	l.add("report_host=%s", m.addr)
	l.add("port=3306")
	l.add("skip-name-resolve")
	l.add("mysqlx=OFF")
	l.add("performance_schema=OFF")
	l.add("secure_file_priv=NULL")
	l.add("innodb_buffer_pool_size=32M")
	l.add("innodb_redo_log_capacity=16M")
	l.add("innodb_use_native_aio=0")
	l.add("table_open_cache=200")
	l.add("max_connections=200")
	l.add("sync_binlog=1")
	l.add("innodb_flush_log_at_trx_commit=1")
	l.add("gtid_mode=ON")
	l.add("enforce_gtid_consistency=ON")
	l.add("log_bin=binlog")
	l.add("relay_log=relay")
	l.add("relay_log_recovery=ON")
	l.add("log_error_verbosity=3")
	l.add("log_error_suppression_list=MY-013360")
	// Whoever starts begins read-only: it may be an old primary.
	l.add("super_read_only=ON")
}

// config renders the configuration of server i.
func (s SemiSync) config(members []member, i int) string {
	var l lines
	common(&l, members[i], i+1)
	l.add("plugin-load-add=semisync_source.so;semisync_replica.so;mysql_clone.so")
	l.add("rpl_semi_sync_replica_enabled=ON")
	// A receiver that resumed by itself after a restart could acknowledge to a
	// source that was voted out.
	l.add("skip_replica_start=ON")
	l.add("replica_net_timeout=%d", s.netTimeout()/time.Second)
	s.disk(i).configure(&l)
	if s.NoSync {
		l.add("sync_binlog=0") // the last word counts
		l.add("innodb_flush_log_at_trx_commit=2")
	}
	return l.String()
}

// config renders the configuration of member i.
func (g Group) config(members []member, i int) string {
	var l lines
	common(&l, members[i], i+1)
	var seeds, hosts []string
	for _, m := range members {
		seeds, hosts = append(seeds, fmt.Sprintf("%s:%d", m.addr, groupPort)), append(hosts, m.addr.String())
	}
	l.add("plugin-load-add=group_replication.so;mysql_clone.so")
	l.add("group_replication_group_name=%s", groupName)
	l.add("group_replication_local_address=%s", seeds[i])
	l.add("group_replication_group_seeds=%s", strings.Join(seeds, ","))
	l.add("group_replication_ip_allowlist=%s", strings.Join(hosts, ","))
	l.add("group_replication_communication_stack=XCOM") // the MySQL stack takes twice as long to form
	l.add("group_replication_recovery_get_public_key=ON")
	l.add("group_replication_start_on_boot=OFF") // persisted as ON once the group was formed
	l.add("group_replication_bootstrap_group=OFF")
	l.add("group_replication_single_primary_mode=ON")
	l.add("group_replication_exit_state_action=READ_ONLY")
	l.add("group_replication_member_expel_timeout=%d", g.ExpelTimeout/time.Second)
	l.add("group_replication_unreachable_majority_timeout=%d", g.UnreachableMajorityTimeout/time.Second)
	l.add("group_replication_consistency=%s", g.consistency())
	return l.String()
}

// spec declares the node of a server.
func spec(env *harness.Env, m member, zone, config string, disks ...harness.Disk) (harness.NodeSpec, error) {
	setup, err := setupSQL()
	if err != nil {
		return harness.NodeSpec{}, err
	}
	return harness.NodeSpec{
		Name: m.name, Component: "mysql", Zone: zone,
		Command: []string{startFile, "--defaults-file=" + configFile},
		Files: []harness.File{
			{Path: configFile, Content: []byte(config)},
			{Path: startFile, Mode: 0o755, Content: startScript},
			{Path: setupFile, Content: setup},
		},
		NoFile: 4096,
		Disks:  disks,
		Ready: func(ctx context.Context, n *harness.Node) error {
			s, err := session.New(netip.AddrPortFrom(n.Addr(), session.Port), session.Manager, env.Data().DialContext)
			if err != nil {
				return err
			}
			var one int
			return errors.Join(s.Scan(ctx, "SELECT 1", &one), s.Close())
		},
	}, nil
}

// plan names the servers and gives them their addresses.
func plan(env *harness.Env, n int) []member {
	members := make([]member, n)
	for i := range members {
		name := fmt.Sprintf("mysql-%d", i+1)
		members[i] = member{name, env.Reserve(name)}
	}
	return members
}

// setupSQL is what the image's template was made with, for images that have
// no template.
func setupSQL() ([]byte, error) {
	recipe, err := images.Load("mysql", "")
	if err != nil {
		return nil, err
	}
	for _, f := range recipe.Files {
		if f.Name == "drill.sql" {
			return f.Content, nil
		}
	}
	return nil, fmt.Errorf("recipe mysql has no drill.sql")
}
