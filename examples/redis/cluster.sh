#!/bin/bash
# A small deployer, as a team would write it: Redis with Sentinel on this machine, one of each for a node.
# Its deployment is the folder of $SEATRIAL_DEPLOYMENT_DIR; Seatrial leases the ports. It does not depend on Seatrial.
set -euo pipefail
here=$(realpath "$0")
cd "${SEATRIAL_DEPLOYMENT_DIR:-$(dirname "$here")}"
nodes="r1 r2 r3"
primary=r1          # at the beginning; later the sentinels say

port() { cat "$1/$2.port"; }
ask() { timeout 2 redis-cli -p "$(port "$1" redis)" "${@:2}"; }
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

start() {           # start NODE: its Redis and its sentinel, unless they run
    alive "$1/redis.pid" || redis-server "$1/redis.conf" >/dev/null
    alive "$1/sentinel.pid" || redis-server "$1/sentinel.conf" --sentinel >/dev/null
}

configure() {       # configure NODE REDIS_PORT SENTINEL_PORT
    local common="bind 127.0.0.1
daemonize yes
dir $PWD/$1"
    mkdir -p "$1"; echo "$2" >"$1/redis.port"; echo "$3" >"$1/sentinel.port"
    cat >"$1/redis.conf" <<END
$common
port $2
pidfile $PWD/$1/redis.pid
logfile redis.log
repl-diskless-sync-delay 0
END
    [ "$1" = "$primary" ] || echo "replicaof 127.0.0.1 $(port "$primary" redis)" >>"$1/redis.conf"
    cat >"$1/sentinel.conf" <<END
$common
port $3
pidfile $PWD/$1/sentinel.pid
logfile sentinel.log
sentinel monitor redis 127.0.0.1 $(port "$primary" redis) 2
sentinel down-after-milliseconds redis 1000
sentinel failover-timeout redis 3000
END
}

end() {             # end SIGNAL NODE: both processes, and wait for their end
    local file pid
    for file in "$2/sentinel.pid" "$2/redis.pid"; do
        alive "$file" || continue
        pid=$(cat "$file"); kill "-$1" "$pid"
        while kill -0 "$pid" 2>/dev/null && [ "$(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null)" != Z ]; do sleep 0.05; done
        rm -f "$file"
    done
}

the_primary() {     # the node that the sentinels name
    local node at
    for node in $nodes; do
        at=$(timeout 2 redis-cli -p "$(port "$node" sentinel)" sentinel get-master-addr-by-name redis 2>/dev/null | sed -n 2p) || continue
        [ -z "$at" ] || { grep -lx "$at" ./*/redis.port | cut -d/ -f2; return; }
    done
    echo "no sentinel answers" >&2; return 1
}

case "$1" in
deploy)
    cp "$here" cluster.sh
    configure r1 "$SEATRIAL_PORT_R1" "$SEATRIAL_PORT_S1"
    configure r2 "$SEATRIAL_PORT_R2" "$SEATRIAL_PORT_S2"
    configure r3 "$SEATRIAL_PORT_R3" "$SEATRIAL_PORT_S3"
    for node in $nodes; do start "$node"; done ;;
inventory)
    for node in $nodes; do
        echo "$node ansible_host=127.0.0.1 ansible_connection=local redis_port=$(port "$node" redis)"
    done ;;
status)             # one JSON line for each node
    for node in $nodes; do
        if alive "$node/redis.pid"; then state=running; else state=stopped; fi
        echo "{\"name\": \"$node\", \"state\": \"$state\"}"
    done ;;
healthy)            # healthy NODE: it is the primary, or a replica with a link to it
    ask "$2" info replication | grep -qE '^(role:master|master_link_status:up)' ;;
start) start "$2" ;;
stop) end TERM "$2" ;;
crash) end KILL "$2" ;;
primary) the_primary ;;
write)              # write KEY VALUE: acknowledged only when a replica has it too
    node=$(the_primary)
    [ "$(ask "$node" set "$2" "$3")" = OK ] && [ "$(ask "$node" wait 1 1000)" -ge 1 ] ;;
get) ask "$2" get "$3" ;;
destroy)
    for node in $nodes; do end KILL "$node"; rm -rf "$node"; done; rm -f cluster.sh ;;
*) echo "usage: cluster.sh deploy|inventory|status|healthy NODE|start NODE|stop NODE|crash NODE|primary|write KEY VALUE|get NODE KEY|destroy" >&2; exit 2 ;;
esac
