// Package cycle finds isolation anomalies in histories of transactions over
// append lists and registers with unique values.
//
// The anomalies are Adya's (A. Adya, "Weak Consistency: A Generalized Theory
// and Optimistic Implementations for Distributed Transactions", PhD thesis,
// MIT 1999): cycles of dependencies between committed transactions. How the
// dependencies follow from what clients saw is Kingsbury and Alvaro's idea
// ("Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB
// 2020): a read of a list shows the order in which its elements were appended,
// so every read proves who came before whom.
//
//	read 7 = [1 2]       T1 appended 1 ──ww──▶ T2 appended 2 ──ww──▶ T3 appended 3
//	by R                                            └──wr──▶ R ──rw──▶┘
//
//	ww  T installed the version right before U's
//	wr  U read the version that T installed
//	rw  T read the version right before the one that U installed
//	process   the same process ran T, then U
//	realtime  T ended before U began
//
//	                        edges of the cycle
//	G0                      ww
//	G1c                     ww, wr
//	G-single                exactly one rw
//	G-nonadjacent           two or more rw, none next to another
//	G2-item                 two rw in a row
//
// with the suffix -process or -realtime where a cycle needs such an edge.
// Beside the cycles: G1a (aborted read), G1b (intermediate read), lost update,
// internal (a transaction contradicts itself), incompatible order, duplicate
// elements and phantoms.
//
// The graph is kept in flat arrays and edges are generated twice instead of
// being stored in between: five million transactions fit in well below 4 GiB.
package cycle

import "github.com/hadrill/hadrill/runner/record"

// Kind is the kind of a dependency.
type Kind uint8

// The dependencies. Pass leads out of a virtual node of the real-time order
// and belongs to the realtime edge that led in.
const (
	WW Kind = iota
	WR
	RW
	Process
	Realtime
	Pass
)

func (k Kind) String() string {
	return [...]string{"ww", "wr", "rw", "process", "realtime", "pass"}[k]
}

// kinds is a set of Kind.
type kinds uint8

func setOf(ks ...Kind) kinds {
	var s kinds
	for _, k := range ks {
		s |= 1 << k
	}
	return s
}

func (s kinds) has(k Kind) bool { return s&(1<<k) != 0 }

// Anomaly is one violation with its witness: the transactions of the cycle in
// order, or the few that contradict each other.
type Anomaly struct {
	Name    string
	Text    string
	Picture string
	Witness []record.Op
}

// Options bound and shape one analysis.
type Options struct {
	// Process and Realtime add the respective edges.
	Process, Realtime bool
	// NoCycles leaves only the anomalies that need no graph.
	NoCycles bool
	// Share keeps one key in so many; 0 and 1 keep all.
	Share uint64
	// Work bounds the edges looked at while cycles are classified; 0 is 200 million.
	Work int64
}

// Result is what an analysis found.
type Result struct {
	Transactions int       // committed transactions that were judged
	Anomalies    []Anomaly // at most a few of each name, the shortest
	Counts       map[string]int
	Incomplete   string // why some class of cycle was not searched to its end
}
