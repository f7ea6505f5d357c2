#!/usr/bin/env bash
# Bring what building and running tests for ARM needs and this machine lacks, and say so. Fails where it cannot be had.
# usage: setup-arm.sh TARGET
set -euo pipefail

target=$1
cd "$(dirname "$0")/.."

# Debian's packages: a linker with ARM's C library, the emulator.
missing=()
command -v aarch64-linux-gnu-gcc >/dev/null || missing+=(gcc-aarch64-linux-gnu)
[[ -e /usr/aarch64-linux-gnu/lib/libc.so ]] || missing+=(libc6-dev-arm64-cross)
command -v qemu-aarch64 >/dev/null || missing+=(qemu-user)
if ((${#missing[@]})); then
  scripts/debian.sh "${missing[@]}"
fi

if [[ ! -d $(rustc --print target-libdir --target "$target") ]]; then
  if ! command -v rustup >/dev/null; then
    echo "error: this Rust cannot build for \`$target\`, and there is no rustup to add it with" >&2
    exit 1
  fi
  echo "setup: adding the target $target"
  rustup target add "$target"
fi
