package redis

import "strconv"

// loadSpan is how many keys each of several combined loads has to itself
// (load.Combine): the bits above it number the load.
const loadSpan = 1 << 20

// shardOfKey is the shard in which a workload's key lives, from 0. The keys of
// one load are dealt round the shards; those of the next combined load begin
// one shard further. So a load of one key stays in one shard, and three of
// them, combined, give each shard a lane of its own: what happens to the slots
// that a fault does not touch can be told apart.
func shardOfKey(key uint64, shards int) int {
	return int((key/loadSpan + key%loadSpan) % uint64(shards))
}

// taggedKey is a key whose hash tag puts it into the wanted shard, at a slot of
// its own: "set:{7.2}", where 2 is the first number that fits.
func taggedKey(kind string, n uint64, shards int) string {
	want := shardOfKey(n, shards)
	for i := 0; ; i++ {
		tag := strconv.FormatUint(n, 10) + "." + strconv.Itoa(i)
		if shardOfSlot(slotOf(tag), shards) == want {
			return kind + ":{" + tag + "}"
		}
	}
}

// slotOf is the slot of a hash tag: CRC-16/XMODEM modulo 16384 (Redis Cluster
// specification, "Key distribution model").
func slotOf(tag string) int {
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc % slots)
}
