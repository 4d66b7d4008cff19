package faults

import "testing"

func TestFaultsOfDisksAreReadBack(t *testing.T) {
	readBack(t, [][2]string{
		{"disk-slow primary /data 50ms on=sync,read", "disk-slow primary /data latency=50ms on=sync,read"},
		{"disk-hang primary", "disk-hang primary hang"}, {"power-cut primary"}, {"power-cut primary clients=a,data"},
		{"disk-error primary EIO share=10% on=write", "disk-error primary error=EIO share=10% on=write"},
		{"lying-sync primary /data", "lying-sync primary /data lying-sync"}, {"disk-full primary /data leave=4096"},
	}...)
}
