package orders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// applyLimit bounds one attempt to store effects.
const applyLimit = 2 * time.Second

// Consumer gives orders their effect. Run it once.
type Consumer struct {
	config   Config
	database *database
	source   source
}

// NewConsumer checks the configuration; it connects in the background.
func NewConsumer(c Config) (*Consumer, error) {
	c = c.filled()
	if err := c.check(); err != nil {
		return nil, err
	}
	d, err := openDatabase(c.MySQL, c.Manager, c.Say)
	if err != nil {
		return nil, err
	}
	consumer := &Consumer{config: c, database: d, source: table{d}}
	if len(c.Kafka) > 0 {
		g, err := newGroup(c.Kafka, c.Topic, d)
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		consumer.source = g
	}
	return consumer, nil
}

// Ready returns nil when effects can be stored.
func (c *Consumer) Ready(ctx context.Context) error { return ready(ctx, c.database) }

// Run consumes until ctx ends. A message that could not be applied comes again.
func (c *Consumer) Run(ctx context.Context) error {
	said := false
	for ctx.Err() == nil {
		err := c.source.Next(ctx, effect)
		switch {
		case err == nil && said:
			said = false
			c.config.Say("orders: consumes again")
		case err != nil && ctx.Err() == nil:
			if !said {
				said = true
				c.config.Say(fmt.Sprintf("orders: cannot consume, goes on trying: %v", err))
			}
			rest(ctx, retryWait)
		}
	}
	c.source.Close()
	return c.database.close()
}

// effect stores the effects of orders. An order that had its effect has it
// already: the second message about it changes nothing.
func effect(ctx context.Context, tx *sql.Tx, orders []Order) error {
	text, args := values(orders)
	if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO effects (order_id, job) VALUES "+text, args...); err != nil {
		return fmt.Errorf("store effects: %w", err)
	}
	return nil
}
