#!/usr/bin/env bash
# Asks the truth table (cmd/storebench/internal/truth/truth_linux_test.go) over and
# over: volumes whose faults are known, with whole profiles in 57 s a run (the Raft
# group has a table of its own), and prints how often verdict and cause were right.
# Answers are kept in a file, a line each, and it goes on where that ends, so a table
# can grow over days. Healthy volumes are asked five times as often. Needs root.
#
# With a directory as CORPUS it keeps the document of each run there as well, with the
# row's right answer; go test ./results -run Corpus judges those of
# results/testdata/corpus anew.
#
#   RUNS=10 MINUTES=60 [CORPUS=DIR] scripts/accuracy.sh [FILE]
set -euo pipefail
cd "$(dirname "$0")/.."

readonly file=$(realpath -m "${1:-docs/accuracy.jsonl}")
readonly corpus=${CORPUS:+$(realpath -m "$CORPUS")}
go test ./cmd/storebench/internal/truth -run '^TestAccuracy$' -count 1 -v -timeout 24h \
	-accuracy "$file" -accuracy-corpus "$corpus" -accuracy-runs "${RUNS:-10}" -accuracy-until "${MINUTES:-60}m"
