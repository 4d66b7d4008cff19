package mysql_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/mysql"
)

var group = mysql.Group{Members: 3, UnreachableMajorityTimeout: 2 * time.Second}

func TestASettledGroupAgreesOnItsPrimary(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{OnLog: logTo(t)})
	r := start(ctx, t, env, group)
	require.Equal(t, []harness.Belief{
		{Node: "mysql-1", Self: harness.Primary, Primary: "mysql-1"},
		{Node: "mysql-2", Self: harness.Replica, Primary: "mysql-1"},
		{Node: "mysql-3", Self: harness.Replica, Primary: "mysql-1"},
	}, r.Beliefs(ctx))
	have, want, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{3, 3}, []int{have, want})
	storesKeepWhatTheyAreTold(ctx, t, env, r)
}

func TestAKilledMemberIsReplacedAndJoinsAgain(t *testing.T) {
	killed(t, group)
}
