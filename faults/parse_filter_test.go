package faults

import "testing"

func TestFaultsOfLinksNamesAndResourcesAreReadBack(t *testing.T) {
	readBack(t, [][2]string{
		{"loss a > b 10%", "loss a > b chance=0.1"}, {"blackhole everybody > primary tcp/6379"},
		{"drop-connects primary", "drop-connects everybody > primary"}, {"reset-connections replica > primary"},
		{"bandwidth primary 1000 in=0", "bandwidth primary out=1000 in=0"}, {"crash-loop primary up=2s deaths=3"},
		{"memory-pressure primary 1048576", "memory-pressure primary leave=1048576"}, {"oom-kill primary"},
		{"cpu-quota primary 0.5", "cpu-quota primary cores=0.5"}, {"half-open primary keeps, replica loses"}, {"dns-timeout primary"},
	}...)
}
