package clock

import "encoding/hex"

// The replacement's machine code, from testdata/replacement.asm; a test
// assembles that file and compares where an assembler is at hand. Offsets are
// those of the listing.
const (
	offsetCode  = 0xa0 // where the code begins, after marker, cells and saved bytes
	offsetEnd   = 0x1b9
	replacement = "b8e40000000f0585c0750e85ff740b83ff05740683ff0b7401c348690600ca9a" +
		"3b48034608e8a6000000b900ca9a3b31d248f7f14889064889560831c0c36690" +
		"b8600000000f0585c0753c4885ff743748690700ca9a3b48694f08e803000048" +
		"01c8e869000000b900ca9a3b31d248f7f14889074889d0b9e803000031d248f7" +
		"f14889470831c0c30f1f8400000000004883ec185731ff488d742408b8e40000" +
		"000f05486944240800ca9a3b4803442410e81a000000b900ca9a3b31d248f7f1" +
		"5f4883c4184885ff7403488907c366904c8d0589feffff4c03058afeffff4d8b" +
		"084c29c84989c249f76808b900ca9a3b48f7f94901c1498b48184885c9740c4c" +
		"89d0489948f7f9a80175044d03481031c04d85c9490f49c1c3"
)

// entries are the vDSO's functions that tell wall-clock time, and where their
// replacements stand.
var entries = []entry{
	{symbol: "__vdso_clock_gettime", code: 0xa0},
	{symbol: "__vdso_gettimeofday", code: 0xe0},
	{symbol: "__vdso_time", code: 0x130},
}

func machineCode() ([]byte, error) { return hex.DecodeString(replacement) }

// jump encodes a near jump at from to the address to: e9 and 32 bits, relative
// to the instruction's end.
func jump(from, to uint64) [jumpLength]byte {
	d := uint32(to - from - jumpLength)
	return [jumpLength]byte{0xe9, byte(d), byte(d >> 8), byte(d >> 16), byte(d >> 24)}
}
