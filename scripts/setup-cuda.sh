#!/usr/bin/env bash
# Bring NVIDIA's compiler, as packages from PyPI, so that what needs it can be compiled where no CUDA is installed, and say so.
# Prints the toolkit's folder: bin/nvcc, include, nvvm. No GPU and no driver is needed, and none is brought.
# usage: setup-cuda.sh FOLDER
set -euo pipefail

folder=$1
packages=$(dirname "$0")/cuda.txt

# The list is written last, so that an installation that was broken off is made again.
if ! cmp -s "$packages" "$folder/packages"; then
  echo "setup: installing NVIDIA's compiler (120 MB of packages) in $folder" >&2
  mkdir -p "$(dirname "$folder")"
  python3 -m venv --clear "$folder"
  "$folder/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$packages" >&2
  cp "$packages" "$folder/packages"
fi
"$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib") + "/nvidia/cu13")'
