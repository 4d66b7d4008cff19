#!/bin/sh
# start.sh: runs RabbitMQ as its own user, in this process's place: what is
# killed or frozen is then the server and not a script beside it.
set -eu
export HOME=/var/lib/rabbitmq
cd "$HOME"
# Nodes that share the cookie may talk to each other; Erlang wants the file to
# be readable to its owner alone.
rm -f .erlang.cookie
(umask 077 && printf drill >.erlang.cookie)
chown rabbitmq: .erlang.cookie
chmod 400 .erlang.cookie
# The package's wrapper in the path, if there is one, hides what is logged.
server=/usr/lib/rabbitmq/bin/rabbitmq-server
[ -x "$server" ] || server=$(command -v rabbitmq-server)
exec setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups "$server"
