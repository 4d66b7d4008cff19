package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/orders"
)

// items is how many things the shop sells.
const items = 1000

// makeTables makes the service's tables on the first server, which is the
// primary when a group has just settled, and fills the shelves.
func makeTables(ctx context.Context, env *harness.Env) (err error) {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr = "manager", "tcp", at(env, "mysql-1", mysqlPort)
	c.DialFunc = env.Data().DialContext
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return fmt.Errorf("make tables: %w", err)
	}
	pool := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, pool.Close()) }()
	fill := fmt.Sprintf("INSERT INTO drill.items WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < %d) SELECT id, 100 * id FROM n", items)
	for _, statement := range append(orders.Schema(), fill) {
		if _, err := pool.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make tables: %w", err)
		}
	}
	return nil
}
