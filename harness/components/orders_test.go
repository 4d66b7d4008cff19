package components_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheOrderServiceNamesABadSetting(t *testing.T) {
	for name, c := range map[string]struct {
		component string
		environ   []string
		want      string
	}{
		"no database":        {"orders", nil, `orders: HADRILL_MYSQL="": want a value`},
		"a name for IP:port": {"orders", []string{"HADRILL_MYSQL=mysql-1:3306"}, `orders: HADRILL_MYSQL="mysql-1:3306": want IP:port,IP:port`},
		"neither on nor off": {"orders", []string{"HADRILL_MYSQL=10.0.0.1:3306", "HADRILL_OUTBOX=no"}, `orders: HADRILL_OUTBOX="no": want on or off`},
		"nothing to warm up": {"orders", []string{"HADRILL_MYSQL=10.0.0.1:3306", "HADRILL_WARMUP=on"}, `orders: HADRILL_WARMUP="on": want HADRILL_COLD as well, without which there is nothing to warm up`},
		"half a lease":       {"orders", []string{"HADRILL_MYSQL=10.0.0.1:3306", "HADRILL_LEASE=1500ms"}, `orders: HADRILL_LEASE="1.5s": want whole seconds`},
		"brokers":            {"orders-consumer", []string{"HADRILL_MYSQL=10.0.0.1:3306", "HADRILL_KAFKA=kafka:9092"}, `orders-consumer: HADRILL_KAFKA="kafka:9092": want IP:port,IP:port`},
		"not the consumer's": {"orders-consumer", []string{"HADRILL_MYSQL=10.0.0.1:3306", "HADRILL_COST=1s"}, `orders-consumer: HADRILL_COST: this component has no such setting`},
	} {
		t.Run(name, func(t *testing.T) {
			self, err := os.Executable()
			require.NoError(t, err)
			command := exec.Command(self)
			command.Env = append(c.environ, "HADRILL_NODE=n", "HADRILL_COMPONENT="+c.component)
			output, err := command.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 64, exit.ExitCode())
			require.Equal(t, c.want+"\n", string(output), "one line that names the key")
		})
	}
}
