#!/usr/bin/env bash
# Runs the benchmarks with the peers beside ours: makes a Python environment in bench/.venv and installs them there.
# A peer that cannot be installed is named as such in the results.
cd "$(dirname "$0")" || exit 1
if [ ! -x .venv/bin/python ]; then
  python3 -m venv .venv || echo 'no Python environment could be made: the peers will be missing from the results'
fi
while read -r peer; do
  .venv/bin/python -m pip install --quiet --disable-pip-version-check "$peer" || echo "could not install $peer"
done <requirements.txt
cd .. && exec node bench/bench.ts --peers
