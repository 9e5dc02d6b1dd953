# What the scripts share: a Python that is new enough, and a virtual environment that matches the locks.
# Sourced, not run.

set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"
PIP=(-m pip --disable-pip-version-check --no-input)
cd "$ROOT"

die() {
  echo "$(basename "$0"): $*" >&2
  exit 2
}

find_python() {
  local name
  for name in "${TINTYPE_PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
    if [ -n "$name" ] && "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  die "Python 3.11 or newer with venv is needed; install it (apt-get install python3 python3-venv) or set TINTYPE_PYTHON"
}

# A stamp says from what an environment was installed. It is written last, so that a broken install is done again.
stamp_of() {
  { echo "$ROOT"; "$VENV/bin/python" -V; cat "$@"; } | "$VENV/bin/python" -c \
    'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

# own_libvips LOCK: where libvips has its headers, pyvips is built against that, and its binding replaces the one of
# pyvips-binary, which has the libvips that the lock names. Put that one back.
own_libvips() {
  "$VENV/bin/python" - 2> /dev/null << 'EOF' && return
import sys
from importlib.metadata import version

import pyvips

sys.exit(".".join(str(pyvips.version(part)) for part in range(3)) != version("pyvips-binary"))
EOF
  local only
  only="$(awk '/^pyvips-binary==/ { on = 1 } on { print } on && !/\\$/ { exit }' "$1")"
  "$VENV/bin/python" "${PIP[@]}" install --quiet --require-hashes --force-reinstall --no-deps -r /dev/stdin <<< "$only"
}

# ensure_venv runtime|dev: create .venv if needed and install the lock into it; fast when nothing changed.
ensure_venv() {
  local kind=$1 lock=requirements.lock
  [ "$kind" = dev ] && lock=requirements-dev.lock
  if ! "$VENV/bin/python" -c '' 2>/dev/null; then
    local python
    python="$(find_python)"
    echo "setting up $VENV with $("$python" -V)" >&2
    "$python" -m venv --clear "$VENV"
  fi
  local stamp file="$VENV/.stamp-$kind"
  stamp="$(stamp_of "$lock" pyproject.toml)"
  [ "$(cat "$file" 2>/dev/null)" = "$stamp" ] && return
  echo "installing $lock" >&2
  "$VENV/bin/python" "${PIP[@]}" install --quiet --require-hashes -r "$lock"
  own_libvips "$lock"
  "$VENV/bin/python" "${PIP[@]}" install --quiet --no-deps --no-build-isolation --editable .
  # The development lock has everything of the runtime lock.
  [ "$kind" = dev ] && stamp_of requirements.lock pyproject.toml > "$VENV/.stamp-runtime"
  echo "$stamp" > "$file"
}
