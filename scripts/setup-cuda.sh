#!/usr/bin/env bash
# Bring NVIDIA's compiler, as packages from PyPI, so that what needs it can be compiled where no CUDA is installed, and say so.
# Prints the toolkit's folder: bin/nvcc, include, nvvm. No GPU and no driver is needed, and none is brought.
# usage: setup-cuda.sh FOLDER
set -euo pipefail

folder=$1
# One release that cudarc knows (it refuses later ones); the parts of a toolkit are numbered apart.
packages=(
  nvidia-cuda-nvcc==13.3.73 nvidia-nvvm==13.3.73 nvidia-cuda-crt==13.3.73 # nvcc and what it calls
  nvidia-cuda-runtime==13.3.29 nvidia-cuda-cccl==13.3.5.0.6               # the headers of candle's kernels
)

# The list is written last, so that an installation that was broken off is made again.
if [[ "$(cat "$folder/packages" 2>/dev/null)" != "${packages[*]}" ]]; then
  echo "setup: installing ${packages[*]} in $folder" >&2
  mkdir -p "$(dirname "$folder")"
  python3 -m venv --clear "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}"
  echo "${packages[*]}" >"$folder/packages"
fi
"$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib") + "/nvidia/cu13")'
