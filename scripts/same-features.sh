#!/usr/bin/env bash
# Refuse a crate of the tests that switches on a feature of a crate of the programs: `cargo test` would compile that one, and all that rests on it,
# a second time. It was a QR reader's cache once, and most of the workspace.
set -euo pipefail

tree() { # EDGES
  cargo tree --locked --workspace --edges "$1" --format '{p} {f}' --prefix none | sed 's/ (\*)$//' | sort -u
}
differing=$(comm -23 <(tree normal,build) <(tree normal,build,dev))
if [[ -n $differing ]]; then
  echo "error: dependencies of tests give these other features than the programs have:" >&2
  echo "$differing" >&2
  echo "hint: \`cargo tree --workspace -e features -i CRATE\` says by which; take a version that shares less, or switch its features off" >&2
  exit 1
fi
