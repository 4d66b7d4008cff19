package avalanche

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"

	"github.com/go-sql-driver/mysql"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/orders"
)

// fill makes the service's tables and fills the shelves. The table of items
// becomes a view, each row of which takes its time (SLEEP, MySQL Reference
// Manual, "Miscellaneous Functions"), while it holds its connection.
func (c Cached) fill(ctx context.Context, env *harness.Env) (err error) {
	config := mysql.NewConfig()
	config.User, config.Net = "manager", "tcp"
	config.Addr = netip.AddrPortFrom(env.Reserve(databaseName), databasePort).String()
	config.DialFunc = env.Data().DialContext
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return fmt.Errorf("make tables: %w", err)
	}
	pool := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, pool.Close()) }()
	for _, statement := range append(orders.Schema(),
		"RENAME TABLE drill.items TO drill.stock",
		fmt.Sprintf("INSERT INTO drill.stock WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < %d) SELECT id, 100 * id FROM n", c.Items),
		fmt.Sprintf("CREATE ALGORITHM = MERGE VIEW drill.items AS SELECT id, price + SLEEP(%g) AS price FROM drill.stock", c.Query.Seconds()),
	) {
		if _, err := pool.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make tables: %w", err)
		}
	}
	return nil
}
