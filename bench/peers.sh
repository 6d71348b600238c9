#!/usr/bin/env bash
# Runs a program of this folder with the peers beside us: makes a Python environment in bench/.venv and installs them there.
# usage: peers.sh PROGRAM [OPTION …]
#
# A peer that cannot be installed is named as such in the results, and so are packages of R where they are missing; on Debian
# r-cran-bradleyterry2, r-cran-brglm2, r-cran-gnm and r-cran-jsonlite have them.
cd "$(dirname "$0")" || exit 1
if [ ! -x .venv/bin/python ]; then
  python3 -m venv .venv || echo 'no Python environment could be made: the peers will be missing from the results'
fi
while read -r peer; do
  .venv/bin/python -m pip install --quiet --disable-pip-version-check "$peer" || echo "could not install $peer"
done <requirements.txt
program=$1
shift
cd .. && exec node "bench/$program" "$@"
