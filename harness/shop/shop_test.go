package shop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAShopThatCannotBeIsRefused(t *testing.T) {
	require.NoError(t, Shop{}.filled().check())
	for name, s := range map[string]Shop{
		"too many instances": {Instances: 9},
		"negative":           {Cost: -1},
		"nothing to warm up": {WarmUp: true},
		"half a lease":       {Lease: 1500 * time.Millisecond},
		"replicas":           {Replicas: -1},
	} {
		require.Error(t, s.filled().check(), name)
	}
}

func TestTheStoresAreThoseThatTheDeclarationNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		shop  Shop
		wants []string
	}{
		"small": {Shop{}, []string{"mysql-single"}},
		"whole": {Shop{Gateway: true, Kafka: true, Replicas: 2}, []string{"etcd", "kafka", "mysql-semisync"}},
	} {
		t.Run(name, func(t *testing.T) {
			var names []string
			for _, s := range c.shop.filled().stores() {
				names = append(names, s.Name())
			}
			require.ElementsMatch(t, c.wants, names)
		})
	}
}

func TestOwnNodesAreHeardByWhatTheySay(t *testing.T) {
	r := &Running{}
	for line, kept := range map[string]bool{
		"orders-1 serves on port 8080":                           true,
		"orders: cannot publish, goes on trying: commit: away":   true,
		"gateway: worker 1: rotation: orders-1 leaves orders: x": true,
		"something else": false,
	} {
		m, ok := r.Milestone("orders-1", line)
		require.Equal(t, kept, ok, line)
		require.False(t, m.Declared || m.Owner, "a service's word is no declaration")
	}
}
