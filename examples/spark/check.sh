#!/usr/bin/env bash
# Runs the Spark example against a service that it starts itself. Needs Python 3.10 and Java 17 or newer; PySpark is
# installed into a folder of its own.
set -euo pipefail
cd "$(dirname "$0")"
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
port=${PORT:-8099}
PORT=$port DATA_DIR=:memory: LOG_LEVEL=warn node ../../src/server.ts &
service=$!
trap 'kill $service' EXIT
for _ in $(seq 50); do
  python3 -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/health/ready')" 2>/dev/null && break
  sleep 0.2
done
.venv/bin/python check.py --url "http://127.0.0.1:$port" "$@"
