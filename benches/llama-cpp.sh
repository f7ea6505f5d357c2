#!/usr/bin/env bash
# Build the peer: the llama.cpp that the source package of llama-cpp-python carries, for the processor of this machine; prints the folder
# of its programs on standard output. What is there already is kept, so a second run costs nothing. Some ten minutes of two cores.
# usage: llama-cpp.sh [CACHE]
set -euo pipefail

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/cloister}/peers
here=$(cd "$(dirname "$0")" && pwd)
package=llama-cpp-python==0.3.36
sha256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
archive=$cache/llama_cpp_python-0.3.36.tar.gz
source=$cache/llama_cpp_python-0.3.36/vendor/llama.cpp
build=$source/build
tools=$cache/tools
programs=(llama-bench llama-perplexity llama-server llama-tokenize llama-quantize)

say() { echo "llama-cpp: $*" >&2; }

mkdir -p "$cache"
if [[ ! -f $archive ]]; then
  say "downloading the source package $package"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python --dest "$cache" "$package" >&2
fi
if [[ ! -d $source ]]; then
  say "checking and unpacking it"
  echo "$sha256  $archive" | sha256sum --check --quiet >&2
  tar -xzf "$archive" -C "$cache"
fi
# GCC 12 tells the optimizer that `_tile_loadconfig` reads eight bytes of its 64, so the rest is never written, and on a processor with AMX the
# peer dies of an illegal instruction. The barrier makes it run as it was meant.
mmq=$source/ggml/src/ggml-cpu/amx/mmq.cpp
if ! grep -q '__asm__ volatile' "$mmq"; then
  sed -i 's/^    _tile_loadconfig(&tc);/    __asm__ volatile("" : : "r"(\&tc) : "memory");\n&/' "$mmq"
fi
missing=()
for program in "${programs[@]}"; do
  [[ -x $build/bin/$program && ! $mmq -nt $build/bin/$program ]] || missing+=("$program")
done
if ((${#missing[@]})); then
  if [[ ! -x $tools/bin/cmake || ! -x $tools/bin/ninja ]]; then
    say "installing cmake and ninja into $tools"
    python3 -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check cmake==4.4.4 ninja==1.13.2 >&2
  fi
  export PATH=$tools/bin:$PATH
  # No UI and no TLS: neither is needed, and both would be fetched. All else as llama.cpp builds itself, OpenMP with it.
  say "building ${missing[*]}: Release, GGML_NATIVE=ON"
  cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_UI=OFF \
    -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF >&2
  cmake --build "$build" -j "$(nproc)" --target "${missing[@]}" >&2
fi

# Ours, against its library: what `agreement.py` asks for the logits.
if [[ ! -x $build/bin/logits || $here/logits.cpp -nt $build/bin/logits ]]; then
  say "building logits"
  c++ -std=c++17 -O2 "$here/logits.cpp" -o "$build/bin/logits" -I"$source/include" -I"$source/ggml/include" \
    -L"$build/bin" -lllama -lggml -lggml-base -Wl,-rpath,"$build/bin" >&2
fi
echo "$build/bin"
