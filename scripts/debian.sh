#!/usr/bin/env bash
# Install Debian's packages, as root or with sudo, and say so.
# usage: debian.sh PACKAGE...
set -euo pipefail

echo "setup: installing $*"
as_root=()
if [[ $(id -u) != 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "error: \`$*\` missing, and neither root nor sudo to install with" >&2
    echo "hint: apt-get install $*" >&2
    exit 1
  fi
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
