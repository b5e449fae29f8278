#!/bin/sh
# The oldest rotated file goes before its time when the disk is nearly full: no count of files bounds what comes within a minute.
set -eu
logs=${1:-/var/log/response-server}
limit=${2:-90}
[ -d "$logs" ] || exit 0
used=$(df --output=pcent "$logs" | tr -dc '0-9')
[ "$used" -gt "$limit" ] || exit 0
oldest=$(find "$logs" -type f -name '*.txt.*' -printf '%T@ %p\n' | sort -n | head -n 1 | cut -d ' ' -f 2-)
[ -n "$oldest" ] || exit 0
rm -- "$oldest"
# It has the file open, and with it the disk's blocks.
systemctl try-restart response-server.service
