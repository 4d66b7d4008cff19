package rabbitmq

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/hadrill/hadrill/harness"
)

const (
	folder      = "/etc/hadrill/"
	startPath   = folder + "start.sh"
	configPath  = folder + "rabbitmq.config"
	pluginsPath = folder + "enabled_plugins"
	witnessPath = folder + "witness.erl"

	fileLimit = 4096
)

//go:embed start.sh
var startScript []byte

//go:embed witness.erl
var witnessSource []byte

func erlangName(m member) string { return "rabbit@" + m.addr.String() }

// environment is what RabbitMQ's start script reads
// (https://www.rabbitmq.com/docs/configure#supported-environment-variables).
func (c Cluster) environment(members []member, i int) map[string]string {
	// The script splits the arguments at blanks, so none may stand in them.
	args := []string{"-eval", `file:eval("` + witnessPath + `")`}
	if c.NetTick > 0 {
		args = append(args, "-kernel", "net_ticktime", fmt.Sprint(int(c.NetTick.Seconds())))
	}
	return map[string]string{
		"RABBITMQ_NODENAME":                   erlangName(members[i]),
		"RABBITMQ_USE_LONGNAME":               "true",
		"RABBITMQ_CONFIG_FILE":                configPath,
		"RABBITMQ_ENABLED_PLUGINS_FILE":       pluginsPath,
		"RABBITMQ_LOGS":                       "-",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": strings.Join(args, " "),
		"RUNNING_UNDER_SYSTEMD":               "true", // the server takes the place of its start script
		"HADRILL_WITNESS_PORT":                fmt.Sprint(witnessPort),
	}
}

// config is the configuration of every node, as Erlang terms: read at once,
// while the other format is translated by a program of its own first.
func (c Cluster) config(members []member) string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = "'" + erlangName(m) + "'"
	}
	rabbit := []string{
		"{loopback_users, []}",
		"{cluster_nodes, {[" + strings.Join(names, ", ") + "], disc}}",
		"{cluster_partition_handling, " + string(or(c.PartitionHandling, PauseMinority)) + "}",
		"{log, [{console, [{enabled, true}, {level, info}]}, {file, [{file, false}]}, {categories, [{connection, [{level, warning}]}]}]}",
	}
	applications := []string{"{rabbit, [\n  " + strings.Join(rabbit, ",\n  ") + "\n ]}"}
	if c.DetectorPoll > 0 {
		applications = append(applications, fmt.Sprintf("{aten, [{poll_interval, %d}]}", c.DetectorPoll.Milliseconds()))
	}
	return "[" + strings.Join(applications, ",\n ") + "].\n"
}

func (c Cluster) files(members []member) []harness.File {
	return []harness.File{
		{Path: startPath, Content: startScript, Mode: 0o755},
		{Path: witnessPath, Content: witnessSource},
		{Path: configPath, Content: []byte(c.config(members))},
		{Path: pluginsPath, Content: []byte("[].\n")}, // each costs a node time to start
	}
}
