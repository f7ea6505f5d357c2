#!/usr/bin/env bash
# Bring what building and testing needs and this machine lacks, and say so. Quick and silent where nothing is missing.
# usage: setup.sh VENV REQUIREMENTS
set -euo pipefail

venv=$1
requirements=$2
cd "$(dirname "$0")/.."

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
