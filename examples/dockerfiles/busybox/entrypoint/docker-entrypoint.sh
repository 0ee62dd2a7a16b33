#!/bin/sh
set -e
if [ "${1#-}" != "$1" ]; then set -- serve "$@"; fi
for each in /docker-entrypoint.d/*.sh; do "$each"; done
echo "$MODE: $*"
