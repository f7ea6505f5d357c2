#!/usr/bin/env bash
# Bring what building and testing needs and this machine lacks, and say so. Quick and silent where nothing is missing.
# usage: setup.sh VENV REQUIREMENTS
set -euo pipefail

venv=$1
requirements=$2
cd "$(dirname "$0")/.."

# Room, said before an hour's work fails for it: a first build leaves 8 GB, and homes with the test model pass through the temporary folder.
room() { # FOLDER GIGABYTES WHAT-FOR
  local free
  free=$(($(df --output=avail --block-size=1G "$1" | tail -n 1)))
  if ((free < $2)); then
    echo "error: \`$1\` has $free GB free; $3 takes $2 GB" >&2
    echo "hint: make room, or name another disk by \`CARGO_TARGET_DIR\` (what is built) and \`TMPDIR\` (the tests' homes)" >&2
    exit 1
  fi
}
target=${CARGO_TARGET_DIR:-target}
if [[ ! -e $target/release/cloister ]]; then
  mkdir -p "$target"
  room "$target" 9 "a first build"
fi
room "${TMPDIR:-/tmp}" 3 "what the tests write"

# Debian's packages: the TPM library that cloister links, the TPM simulator of the demo and the tests, a linker, Python's venv, strace.
missing=()
pkg-config --version >/dev/null 2>&1 || missing+=(pkg-config)
pkg-config --exists tss2-esys tss2-mu tss2-tctildr 2>/dev/null || missing+=(libtss2-dev)
command -v swtpm >/dev/null || missing+=(swtpm)
command -v swtpm_setup >/dev/null || missing+=(swtpm-tools)
command -v cc >/dev/null || missing+=(build-essential)
command -v strace >/dev/null || missing+=(strace)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if ((${#missing[@]})); then
  scripts/debian.sh "${missing[@]}"
fi

# The toolchain that rust-toolchain.toml names; spelled out because rustup may have been told not to install by itself.
channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
if command -v rustup >/dev/null; then
  if ! rustup toolchain list | grep -q "^$channel"; then
    echo "setup: installing Rust $channel"
    rustup toolchain install "$channel" --profile minimal --component rustfmt --component clippy
  fi
  if ! rustup target list --installed --toolchain "$channel" | grep -qx wasm32-wasip2; then
    echo "setup: adding the target wasm32-wasip2 to Rust $channel"
    rustup target add wasm32-wasip2 --toolchain "$channel"
  fi
  if ! rustup component list --installed --toolchain "$channel" | grep -q '^clippy'; then
    echo "setup: adding clippy and rustfmt to Rust $channel"
    rustup component add clippy rustfmt --toolchain "$channel"
  fi
elif [[ ! -d $(rustc --print target-libdir --target wasm32-wasip2) ]]; then
  echo "error: this Rust cannot build for \`wasm32-wasip2\`, and there is no rustup to add it with" >&2
  echo "hint: install Rust from https://rustup.rs" >&2
  exit 1
fi

# The independent readers of the checks and the tests, outside the checkout; made anew when the list changes.
if ! cmp -s "$requirements" "$venv/requirements.txt"; then
  echo "setup: making a Python environment in $venv"
  mkdir -p "$(dirname "$venv")"
  python3 -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$venv/requirements.txt"
fi
