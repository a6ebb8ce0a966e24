#!/bin/sh
# ci/size_guard.sh FILE...: every file must be smaller than 4 MiB, so that an image that grows is noticed.
set -eu

limit=$((4 * 1024 * 1024))

if [ $# = 0 ]; then
    echo "usage: ci/size_guard.sh FILE..." >&2
    exit 2
fi
status=0
for file; do
    if [ ! -f "$file" ]; then
        echo "size_guard: $file: no such file" >&2
        exit 2
    fi
    size=$(wc -c <"$file" | tr -d ' ')
    if [ "$size" -lt "$limit" ]; then
        echo "size_guard: $file: $size bytes, less than $limit"
    else
        echo "size_guard: $file: $size bytes, not less than $limit" >&2
        status=1
    fi
done
exit $status
