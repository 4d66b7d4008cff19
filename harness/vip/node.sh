#!/bin/bash
# node.sh ADDRESS SERVICE...: one end of a pair. Runs keepalived and beside it
# the service that the address is for, tells the world what this node holds,
# and ends with keepalived.
#
#   USR1  the service dies, as in a crash, while the node lives
#   USR2  the service is started
#   TERM  keepalived gives the address up first; then the service ends
set -um # each child is a group of its own: a service may be several processes
address=$1
shift
run=/run/hadrill
mkdir -p $run
rm -f $run/*
echo 0 >$run/service # what check.sh found last: 0 is well
echo 1 >$run/lease   # whether the arbiter's lease is missing: 0 is held
device=$(ip -o -4 addr show | awk -v a="$address" 'index($4, a "/") == 1 { print $2 }')
sed "s/@DEVICE@/$device/" /etc/hadrill/keepalived.conf >$run/keepalived.conf

service=
begin() {
	[ -n "$service" ] && kill -0 -- "-$service" 2>/dev/null && return
	"$@" &
	service=$!
}
trap 'kill -KILL -- "-$service"' USR1
trap 'begin "$@"' USR2
trap 'kill -TERM $keepalived' TERM INT

begin "$@"
perl /etc/hadrill/node.pl &
keepalived -n -l -D -G --pid=$run/keepalived.pid --vrrp_pid=$run/vrrp.pid -f $run/keepalived.conf &
keepalived=$!
while kill -0 $keepalived 2>/dev/null; do
	wait $keepalived
done
kill -QUIT -- "-$service" 2>/dev/null
exit 0
