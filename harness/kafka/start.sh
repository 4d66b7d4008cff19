#!/bin/sh
# start.sh NODE: the first start makes the storage folder, from the image's
# template where it has one; then Kafka runs in this shell's place.
set -eu
data=/data/kafka
template=/usr/share/hadrill/kafka/storage
archive=/usr/share/hadrill/kafka/classes.jsa
if [ ! -d "$data" ]; then
	mkdir -p /data && rm -rf "$data.part"
	if [ -d "$template" ]; then
		cp -r "$template" "$data.part"
		cp /etc/hadrill/meta.properties "$data.part/meta.properties"
		mv "$data.part" "$data"
	else
		java -cp '/opt/kafka/libs/*' kafka.tools.StorageTool format \
			--config /etc/hadrill/node.properties --cluster-id "$(sed -n 's/^cluster.id=//p' /etc/hadrill/meta.properties)"
	fi
	# A disk of the node's own may lose its power: what it starts with is there.
	if mountpoint -q /data; then sync -f "$data"; fi
fi
# Small and quick to start, and the same on every machine. With an archive made
# by another Java, auto starts without it.
exec java -Xms128m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -XX:SharedArchiveFile="$archive" -Xlog:disable -Xlog:all=error:stderr \
	-Dlog4j2.configurationFile=/etc/hadrill/log4j2.properties \
	-cp '/opt/kafka/libs/*' kafka.Kafka /etc/hadrill/node.properties
