#!/usr/bin/env bash
# Make the environment ENV exactly as LOCK pins it, with this checkout's sphere-repro. Usage: make_env.sh ENV LOCK [TORCH]
#
# TORCH says which build of torch: default (what the package index has), or one of uv's --torch-backend, such as cpu,
# which needs none of the GPU's libraries. ENV may be an active conda environment; it is then filled, not made.
set -euo pipefail
env=$1 lock=$2 torch=${3:-default}
# What lies in ~/.local is no part of the environment: pip would take it for installed, and even remove it.
export PYTHONNOUSERSITE=1 PIP_USER=0

fail() { echo "make: $*" >&2; exit 2; }
supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }

uv=$(command -v uv || true)
# An environment is of use where something can install into it. One that was made halfway has no pip.
usable() { supported "$1" && { [ -n "$uv" ] || "$1" -m pip --version >/dev/null 2>&1; }; }
chosen() { cat "$env/torch.txt" 2>/dev/null || echo default; }

if [ ! -d "$env/conda-meta" ] && { ! usable "$env/bin/python" || [ "$(chosen)" != "$torch" ]; }; then
  interpreter=
  for candidate in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14; do
    if supported "$candidate"; then interpreter=$(command -v "$candidate"); break; fi
  done
  [ -n "$interpreter" ] ||
    fail "Python 3.11 to 3.14 is needed and none is on the PATH. Install one, or say make PYTHON=/path/to/python."
  pip=
  if ! "$interpreter" -c 'import ensurepip; ensurepip.version()' 2>/dev/null; then
    [ -n "$uv" ] ||
      fail "$interpreter cannot put pip into an environment: it has no ensurepip. Install that (on Debian and" \
        "Ubuntu the package python3-venv) or uv, or say make PYTHON=/path/to/another/python."
    pip=--without-pip
  fi
  if [ -e "$env" ] && [ ! -f "$env/pyvenv.cfg" ] && [ -n "$(ls -A "$env")" ]; then
    fail "$env is a folder of other things and no environment. Say make ENV=/path/of/a/new/folder."
  fi
  rm -rf "$env"
  "$interpreter" -m venv $pip "$env"
fi
if [ -z "$uv" ]; then
  "$env/bin/python" -m pip install --quiet --disable-pip-version-check "$(grep '^uv==' "$lock" | cut -d' ' -f1)"
  uv=$env/bin/uv
fi
# Bytecode is compiled now: where it cannot be written later, every start of torch and snakemake pays for it.
install=("$uv" pip install --quiet --python "$env/bin/python" --compile-bytecode)
if [ "$torch" = default ]; then
  "${install[@]}" --requirement "$lock"
else
  # Another build of torch brings libraries of its own, or none.
  grep -vE '^(nvidia-(cu|nccl|nv)|cuda-|triton)' "$lock" | "${install[@]}" --torch-backend "$torch" --requirement -
fi
# The package itself is installed as the folder it lies in. What builds it is in the lock too: nothing else is fetched.
"$uv" pip install --quiet --python "$env/bin/python" --no-deps --no-build-isolation --editable "$(dirname "$0")/../.."
echo "$torch" >"$env/torch.txt"
