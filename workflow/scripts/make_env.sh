#!/usr/bin/env bash
# Make the environment ENV exactly as LOCK pins it, with this checkout's sphere-repro. Usage: make_env.sh ENV LOCK
set -euo pipefail
env=$1 lock=$2

supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }

interpreter=
for candidate in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14; do
  if supported "$candidate"; then interpreter=$(command -v "$candidate"); break; fi
done
if [ -z "$interpreter" ]; then
  echo "make: Python 3.11 to 3.14 is needed and none is on the PATH. Install one, or say make PYTHON=/path/to/python." >&2
  exit 2
fi

if [ ! -x "$env/bin/python" ] || ! supported "$env/bin/python"; then
  rm -rf "$env"
  "$interpreter" -m venv "$env"
fi
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  "$env/bin/python" -m pip install --quiet --disable-pip-version-check "$(grep '^uv==' "$lock" | cut -d' ' -f1)"
  uv=$env/bin/uv
fi
# Bytecode is compiled now: where it cannot be written later, every start of torch and snakemake pays for it.
"$uv" pip install --quiet --python "$env/bin/python" --compile-bytecode --requirement "$lock"
# The package itself is installed as the folder it lies in. What builds it is in the lock too: nothing else is fetched.
"$uv" pip install --quiet --python "$env/bin/python" --no-deps --no-build-isolation --editable "$(dirname "$0")/../.."
