package harness

import "context"

// CacheStore is a Running that caches values which can always be had again
// from elsewhere. Losing them costs time, never data: what is promised is that
// no client sees an error, and how far the hit ratio dips.
type CacheStore interface {
	OpenCache(ctx context.Context, from Vantage) (CacheClient, error)
}

// CacheClient is one virtual user of a CacheStore; the rules are those of
// SetClient.
type CacheClient interface {
	// Lookup returns the cached value of key; found is false for a miss.
	Lookup(ctx context.Context, key uint64) (value int64, found bool, err error)
	// Fill caches value, for the lookups to come.
	Fill(ctx context.Context, key uint64, value int64) error
	Close() error
}
