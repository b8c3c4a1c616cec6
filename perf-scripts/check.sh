#!/usr/bin/env bash
# Runs every measuring script in a tiny form and looks whether its outputs are sane: a gate for changes, not a measurement. Under
# three minutes when the release binaries are built (`cargo build --release -p millstream-bench --bins`).
#
#   perf-scripts/check.sh               builds first
#   perf-scripts/check.sh --no-build
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" != --no-build ]; then
    cargo build --locked --release -p millstream-bench --bins
fi
engine=$(cd perf-scripts && python3 -c 'from lib.binaries import bench_binaries as b; print(*b("latency_engine", build=False))')
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

step() { echo "== $*"; }

step unit tests of the scripts
(cd perf-scripts && python3 -m unittest -q tests.test_lib)

step latency
perf-scripts/latency --no-build --self-test
perf-scripts/latency --no-build --rate 20000 --intervals 10,100 --loads 50 --seconds 2 --warm-up 0.5 --out "$out/latency"

step tune
perf-scripts/tune --no-build --rate 5000 --intervals 50,200 --blocks 50 --segments 256 --threads 2 --seconds 1 --no-search \
    --out "$out/tune" -- "$engine" --listen '{listen}'

step profile
perf-scripts/profile --no-build --lines 5000 --times 20 --name engine --out "$out/profile" -- "$engine" --listen '{listen}'

step soak
perf-scripts/soak --no-build --minutes 0.15 --rate 20000 --keys 1000 --out "$out/soak"

step scale
perf-scripts/scale --no-build --mb 4 --repeats 1 --threads 1,2 --out "$out/scale"

python3 perf-scripts/lib/sane.py "$out"
