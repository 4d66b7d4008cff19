package impair

// held is a packet that waits in the kernel for its verdict.
type held struct {
	due     int64 // nanoseconds of the loop's clock
	seq     uint64
	link    *link
	id      uint32
	payload []byte // replaces the packet's bytes; nil leaves them
	copies  []byte // delivered once more with the verdict; nil for none
}

// heap is a binary min-heap by due time, then by arrival. It is written out
// because container/heap boxes every element, which at 80,000 packets a
// second is the garbage collector's whole work.
type heap []held

func (h heap) less(i, j int) bool {
	return h[i].due < h[j].due || h[i].due == h[j].due && h[i].seq < h[j].seq
}

func (h *heap) push(p held) {
	*h = append(*h, p)
	a := *h
	for i := len(a) - 1; i > 0; {
		parent := (i - 1) / 2
		if !a.less(i, parent) {
			break
		}
		a[i], a[parent] = a[parent], a[i]
		i = parent
	}
}

// pop removes the earliest; the heap must not be empty.
func (h *heap) pop() held {
	a := *h
	first, last := a[0], len(a)-1
	a[0] = a[last]
	a[last] = held{}
	a = a[:last]
	*h = a
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if a.less(c, least) {
				least = c
			}
		}
		if least == i {
			return first
		}
		a[i], a[least] = a[least], a[i]
		i = least
	}
}
