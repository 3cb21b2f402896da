#!/usr/bin/env bash
# What `make bench` runs: all workloads beside Flink if FLINK_HOME names a distribution of it, else flink-go alone.
# BENCH holds other flags and workloads of ./bench, e.g. BENCH="-pairs 1 -events 10000000 q0 q1".
set -euo pipefail
cd "$(dirname "$0")/.."
peer=${PEER:-../shared/peers/flink}
oracle=${ORACLE:-../shared/bench}
text=${TEXT:-/var/tmp/flink-go-bench-text}
if [ ! -f "$text/words-7.txt" ]; then
  mkdir -p "$text"
  tmp=$(mktemp -d)
  cp -r "$oracle/oracle/." "$tmp"
  (cd "$tmp" && go run . -words "$text" >/dev/null)
  rm -rf "$tmp"
fi
if [ -n "${FLINK_HOME:-}" ] && [ ! -f "$peer/target/flink-bench.jar" ]; then
  echo "build the peer first: (cd $peer && mvn -q package)" >&2
  exit 1
fi
workloads=(q0 q1 q2 q3 q5 q5panes q7 q8 q11 q18 q20 wordcount latency start scale)
[ $# -gt 0 ] && workloads=("$@")
exec go run ./bench -flink-home "${FLINK_HOME:-}" -peer "$peer" -expected "$oracle/expected.json" -text "$text" "${workloads[@]}"
