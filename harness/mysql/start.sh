#!/bin/sh
# start.sh [mysqld arguments]: first start makes the data directory, from the
# image's template where it has one; then mysqld runs as under a service
# manager, which starts it again when it asks for it (exit code 16, after
# cloning another server's data).
set -u
data=/data/mysql
template=/usr/share/hadrill/mysql
if [ ! -d "$data" ]; then
	mkdir -p /data && rm -rf "$data.part"
	if [ -d "$template" ]; then
		cp -a "$template" "$data.part"
	else
		install -d -o mysql -g mysql "$data.part"
		mysqld --no-defaults --user=mysql --datadir="$data.part" --initialize-insecure --skip-log-bin \
			--init-file=/etc/hadrill/drill.sql --mysqlx=OFF
		rm -f "$data.part/auto.cnf"
	fi
	# A disk of the server's own may lose its power: what it starts with is there.
	if mountpoint -q /data; then sync -f "$data.part"; fi
	mv "$data.part" "$data"
	if mountpoint -q /data; then sync -f "$data"; fi
fi
export MYSQLD_PARENT_PID=$$
child=
trap 'kill -TERM "$child"' TERM INT
while :; do
	# A killed server leaves its socket's lock, and in a container the process
	# id in it may well be somebody else's now.
	rm -f /tmp/mysql.sock /tmp/mysql.sock.lock
	mysqld "$@" &
	child=$!
	code=0
	wait "$child" || code=$?
	while kill -0 "$child" 2>/dev/null; do # a signal interrupted the wait
		code=0
		wait "$child" || code=$?
	done
	[ "$code" -eq 16 ] || exit "$code"
done
