// Package gateway is a reverse proxy.
package gateway
