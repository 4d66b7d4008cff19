package protect

import (
	"sync"
	"time"
)

// budget is a bucket of tokens: first attempts and time fill it, retries
// empty it. Safe for concurrent use.
type budget struct {
	config BudgetConfig

	mu     sync.Mutex
	tokens float64
	filled time.Time // when time last filled it
	denied int64
}

func newBudget(c BudgetConfig) *budget {
	c = c.filled()
	return &budget{config: c, tokens: c.Burst, filled: time.Now()}
}

// first counts a first attempt.
func (b *budget) first() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(b.config.Ratio)
}

// retry takes a token, if there is one.
func (b *budget) retry() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(0)
	if b.tokens < 1 {
		b.denied++
		return false
	}
	b.tokens--
	return true
}

// fill adds tokens, and those that time has brought; mu is held.
func (b *budget) fill(tokens float64) {
	now := time.Now()
	tokens += b.config.PerSecond * now.Sub(b.filled).Seconds()
	b.filled = now
	b.tokens = min(b.config.Burst, b.tokens+tokens)
}
