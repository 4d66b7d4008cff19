#!/bin/bash
# check.sh PORT: keepalived's track_script. Well is what answers a request, not
# what accepts a connection: a process that hangs still does that.
well() {
	exec 3<>"/dev/tcp/127.0.0.1/$1" || return
	printf 'GET /hadrill-alive HTTP/1.0\r\n\r\n' >&3
	read -r -t 0.5 line <&3 && [[ $line == *" 200 "* ]]
} 2>/dev/null
if well "$1"; then code=0; else code=1; fi
echo $code >/run/hadrill/service
exit $code
