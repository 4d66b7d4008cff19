package gateway

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// balancer chooses one of at least one candidate. key is the hash of what the
// request is to be kept together by. Safe for concurrent use.
type balancer func(candidates []*instance, key uint64) *instance

func newBalancer(name string) balancer {
	switch name {
	case RoundRobin:
		return roundRobin()
	case LeastLoaded:
		return leastLoaded
	case ConsistentHash:
		return highestHash
	default:
		return twoChoices
	}
}

// roundRobin takes each in its turn, however slow it is.
func roundRobin() balancer {
	var turn atomic.Uint64
	return func(candidates []*instance, _ uint64) *instance {
		return candidates[turn.Add(1)%uint64(len(candidates))]
	}
}

// leastLoaded takes the one with the fewest requests under way; of several, one
// at random: always the first would be sent everything a quiet hour brings.
func leastLoaded(candidates []*instance, _ uint64) *instance {
	var best *instance
	var fewest int64
	same := 0
	for _, c := range candidates {
		n := c.underway.Load()
		switch {
		case best == nil || n < fewest:
			best, fewest, same = c, n, 1
		case n == fewest:
			if same++; rand.IntN(same) == 0 {
				best = c
			}
		}
	}
	return best
}

// twoChoices takes two at random and of those the cheaper: nearly as even as
// the best of all (Mitzenmacher 2001), and no herd runs to the instance that
// looked best a moment ago.
func twoChoices(candidates []*instance, _ uint64) *instance {
	n := len(candidates)
	if n == 1 {
		return candidates[0]
	}
	i, j := rand.IntN(n), rand.IntN(n-1)
	if j >= i {
		j++
	}
	now := time.Now()
	if candidates[j].cost(now) < candidates[i].cost(now) {
		i = j
	}
	return candidates[i]
}

// highestHash takes the one whose hash together with the key is the highest
// (Thaler and Ravishankar, "rendezvous hashing", 1998): every gateway chooses
// the same, and only the keys of an instance that leaves move elsewhere.
func highestHash(candidates []*instance, key uint64) *instance {
	var best *instance
	var highest uint64
	for _, c := range candidates {
		if h := mix(hash(c.id) ^ key); best == nil || h > highest {
			best, highest = c, h
		}
	}
	return best
}

// hash is FNV-1a, 64 bits: the same in every process.
func hash(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

// mix spreads every bit of the input over the whole (the finaliser of
// MurmurHash3); FNV alone leaves the high bits of short texts alike.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
