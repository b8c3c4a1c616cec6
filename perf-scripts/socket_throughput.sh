#!/usr/bin/env bash
# From a socket to a result: word count in batches of 1 s, the sender a process of its own on the same machine; then what batches
# of 10 ms cost without data. One row per batch on standard output, the summary behind `#`.
#
#   perf-scripts/socket_throughput.sh                           as fast as it goes, 20 s
#   perf-scripts/socket_throughput.sh --seconds 60 --rate 100   100 MB/s for a minute
#   perf-scripts/socket_throughput.sh --file data/moby-dick.txt
#   perf-scripts/socket_throughput.sh --checkpoint new-folder         with the write-ahead log
#   perf-scripts/socket_throughput.sh --interval-ms 100 --master 'local[2]'
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --release -p millstream-bench --bin socket_throughput
target=$(cargo metadata --no-deps --format-version 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
"$target/release/socket_throughput" run "$@"
"$target/release/socket_throughput" idle
