package shop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/components/gateway"
)

func TestAShopThatCannotBeIsRefused(t *testing.T) {
	require.NoError(t, Shop{}.filled().check())
	for name, s := range map[string]Shop{
		"too many instances": {Instances: 9},
		"negative":           {Cost: -1},
		"nothing to warm up": {WarmUp: true},
		"half a lease":       {Lease: 1500 * time.Millisecond},
		"replicas":           {Replicas: -1},
		"gateways":           {Gateways: 5},
		"caches":             {Caches: -1},
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
		"whole": {Shop{Gateways: 1, Caches: 1, Kafka: true, Replicas: 2}, []string{"etcd", "kafka", "mysql-semisync", "redis-cache"}},
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

func TestPricesHaveARouteOfTheirOwnWhereTheyAreCached(t *testing.T) {
	for name, c := range map[string]struct {
		shop  Shop
		paths map[string]string // what the gateway asks an instance, by the route's path
	}{
		"from the database": {Shop{}, map[string]string{"": ""}},
		"from the cache":    {Shop{Caches: 1}, map[string]string{"": "", "/items": "/live"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := c.shop.filled().routes()
			require.NoError(t, err)
			routes, err := gateway.ParseRoutes(text)
			require.NoError(t, err)
			paths := map[string]string{}
			for _, r := range routes {
				paths[r.Path] = r.Health.Path
			}
			require.Equal(t, c.paths, paths)
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
