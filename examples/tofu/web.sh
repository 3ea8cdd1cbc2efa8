#!/bin/sh
# Starts one web server in a container: web.sh NAME
set -eu
podman run --detach --name "$1" --hostname "$1" --workdir /tmp \
    --tmpfs /run:rw,notmpcopyup --tmpfs /tmp:rw,notmpcopyup --rootfs /:O \
    sh -c 'echo "hello from $(hostname)" >index.html; exec python3 -m http.server 8080'
