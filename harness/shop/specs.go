package shop

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/components/gateway"
)

func at(env *harness.Env, name string, port uint16) string {
	return netip.AddrPortFrom(env.Reserve(name), port).String()
}

// several are the addresses of nodes that are numbered from 1.
func several(env *harness.Env, prefix string, n int, port uint16) string {
	all := make([]string, n)
	for i := range all {
		all[i] = at(env, prefix+strconv.Itoa(i+1), port)
	}
	return strings.Join(all, ",")
}

// shared are the settings of services and consumers.
func (s Shop) shared(env *harness.Env) map[string]string {
	settings := map[string]string{"HADRILL_MYSQL": several(env, "mysql-", s.Replicas+1, mysqlPort)}
	if s.Replicas > 0 {
		settings["HADRILL_MANAGER"] = at(env, managerName, components.DefaultPort)
	}
	if s.Kafka {
		settings["HADRILL_KAFKA"] = several(env, "kafka-", 3, kafkaPort)
		settings["HADRILL_TOPIC"] = kafkaTopic
	}
	return settings
}

// service are the settings of instance i.
func (s Shop) service(env *harness.Env, i int) map[string]string {
	settings := s.shared(env)
	onOff := map[bool]string{true: "on", false: "off"}
	settings["HADRILL_IDEMPOTENCY"] = onOff[!s.NoIdempotencyKey]
	settings["HADRILL_OUTBOX"] = onOff[!s.NoOutbox]
	settings["HADRILL_COST"] = s.Cost.String()
	settings["HADRILL_COLD"] = strconv.Itoa(s.Cold)
	settings["HADRILL_WARMUP"] = onOff[s.WarmUp]
	settings["HADRILL_DRAIN"] = s.Drain.String()
	if s.Slots > 0 {
		settings["HADRILL_SLOTS"] = strconv.Itoa(s.Slots)
	}
	if s.EndAtOnce {
		settings["HADRILL_END"] = "at-once"
	}
	if s.Caches > 0 {
		settings["HADRILL_REDIS"] = at(env, cacheName(i%s.Caches), cachePort)
	}
	if s.Gateways > 0 {
		settings["HADRILL_REGISTRY"] = several(env, "etcd-", s.registry().Members, etcdPort)
		settings["HADRILL_LEASE"] = s.Lease.String()
		settings["HADRILL_SERVICE"] = serviceName
	}
	return settings
}

// routes are the gateways': to the order service, with passive and active
// checks, so that the registry's lease is not the only word on who is dead.
// Where prices are cached, reading them is a route of its own: an instance that
// has lost the database can still answer it.
func (s Shop) routes() (string, error) {
	route := gateway.Route{
		Name: serviceName, Service: serviceName, Balance: s.Balance,
		Timeout: gateway.Duration(s.Patience),
		Health:  &gateway.Health{}, Outlier: &gateway.Outlier{},
	}
	routes := []gateway.Route{route}
	if s.Caches > 0 {
		route.Name, route.Path = "prices", "/items"
		route.Health = &gateway.Health{Path: "/live"}
		routes = append(routes, route)
	}
	return gateway.FormatRoutes(routes)
}

// GatewayName is the name of the i-th gateway, from 0.
func GatewayName(i int) string { return "gateway-" + strconv.Itoa(i+1) }

// InstanceName is the name of the i-th instance of the order service, from 0.
func InstanceName(i int) string { return serviceName + "-" + strconv.Itoa(i+1) }

// specs are the nodes that are hadrill's own: instances, consumers, gateways.
func (s Shop) specs(env *harness.Env) ([]harness.NodeSpec, error) {
	var specs []harness.NodeSpec
	for i := range s.Instances {
		specs = append(specs, s.placed(i, components.Spec(env, "orders", InstanceName(i), s.service(env, i))))
	}
	for i := range s.Consumers {
		specs = append(specs, s.placed(i, components.Spec(env, "orders-consumer", "consumer-"+strconv.Itoa(i+1), s.shared(env))))
	}
	if s.Gateways == 0 {
		return specs, nil
	}
	routes, err := s.routes()
	if err != nil {
		return nil, err
	}
	settings := map[string]string{"HADRILL_ROUTES": routes, "HADRILL_REGISTRY": several(env, "etcd-", s.registry().Members, etcdPort)}
	for i := range s.Gateways {
		specs = append(specs, s.placed(i, components.GatewaySpec(env, GatewayName(i), settings)))
	}
	return specs, nil
}
