#!/usr/bin/env bash
# Run a command line where HOME is missing or read-only, as in a container with --user: bash home.sh 'COMMAND LINE'
# In a shell of one's own: . workflow/scripts/home.sh
#
# uv, pip, Snakemake, DVC, Jupyter, matplotlib and torch keep caches and notes below HOME. Where it cannot be
# written they get a place in the checkout, .state/home. This is the only list of them; the Makefile and run.py use
# it. What is set already stays as it is, and so does a HOME that can at least be read, for its settings and keys.

_writable() { [ -n "$1" ] && [ -d "$1" ] && [ -w "$1" ]; }

if ! _writable "${HOME:-}"; then
  _place=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.state/home
  mkdir -p "$_place"
  # downloaded weights that can be read need not come again
  if [ -d "${HOME:-}/.cache/torch" ]; then export TORCH_HOME=${TORCH_HOME:-$HOME/.cache/torch}; fi
  if [ ! -d "${HOME:-}" ] || [ "$HOME" = / ]; then export HOME=$_place; fi
  export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$_place/cache}       # uv, pip, Snakemake, torch, fontconfig
  export XDG_DATA_HOME=${XDG_DATA_HOME:-$_place/data}          # uv's interpreters
  export XDG_STATE_HOME=${XDG_STATE_HOME:-$_place/state}
  export UV_CACHE_DIR=${UV_CACHE_DIR:-$XDG_CACHE_HOME/uv}
  export PIP_CACHE_DIR=${PIP_CACHE_DIR:-$XDG_CACHE_HOME/pip}
  export TORCH_HOME=${TORCH_HOME:-$XDG_CACHE_HOME/torch}
  export MPLCONFIGDIR=${MPLCONFIGDIR:-$_place/matplotlib}
  export IPYTHONDIR=${IPYTHONDIR:-$_place/ipython}
  export JUPYTER_CONFIG_DIR=${JUPYTER_CONFIG_DIR:-$_place/jupyter}
  export JUPYTER_DATA_DIR=${JUPYTER_DATA_DIR:-$_place/jupyter/data}
  export JUPYTER_RUNTIME_DIR=${JUPYTER_RUNTIME_DIR:-$_place/jupyter/runtime}
  mkdir -p "$MPLCONFIGDIR"
fi
# A user whom the system does not know by name, too: Python's getpass asks for one.
if ! id -un >/dev/null 2>&1; then export USER=${USER:-$(id -u)} LOGNAME=${LOGNAME:-$(id -u)}; fi

if [ "${BASH_SOURCE[0]}" = "$0" ]; then eval "$1"; fi
