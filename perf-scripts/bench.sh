#!/usr/bin/env bash
# Runs the benches and writes criterion's medians to perf-scripts/record/<date>-<cores>core.{md,csv}.
#
#   perf-scripts/bench.sh                      all benches
#   perf-scripts/bench.sh word_count filter    these
#   BENCH_MB=500 perf-scripts/bench.sh         with other sizes
#   RECORD=elsewhere perf-scripts/bench.sh     to another folder than perf-scripts/record
set -euo pipefail
cd "$(dirname "$0")/.."

record=${RECORD:-perf-scripts/record}
target=$(cargo metadata --no-deps --format-version 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
cores=$(getconf _NPROCESSORS_ONLN)
name=$record/$(date -u +%Y-%m-%d)-${cores}core
mkdir -p "$record"

select=()
for bench in "$@"; do select+=(--bench "$bench"); done
[ ${#select[@]} -gt 0 ] || select=(--benches)

# Built first: a compiler beside the measurement would be a part of it. Older results would be taken for this run's.
cargo bench --locked -p millstream-bench "${select[@]}" --no-run
rm -rf "$target/criterion"
load_before=$(cut -d' ' -f1-3 /proc/loadavg)
cargo bench --locked -p millstream-bench "${select[@]}" -- --noplot

cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1)
dirty=$(git diff --quiet HEAD -- || echo ' with changes')
python3 perf-scripts/collect.py "$target/criterion" "$name" \
    "date=$(date -u +%Y-%m-%dT%H:%MZ)" \
    "processor=${cpu:-$(uname -m)}" \
    "cores=$cores" \
    "rustc=$(rustc --version)" \
    "commit=$(git rev-parse --short HEAD)$dirty" \
    "BENCH_MB=${BENCH_MB:-64}" \
    "load before=$load_before" \
    "load after=$(cut -d' ' -f1-3 /proc/loadavg)"
echo "wrote $name.md and $name.csv"
