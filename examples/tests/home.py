"""What the end-to-end tests share: the built binaries, homes, a TPM simulator, runs and what they leave behind.

CLOISTER_BIN (default: target/release/cloister) and CLOISTER_TEST_MODEL (default: the one in the cache) say what is tested.
To make a home compiles every tool, which takes longer than most tests. So one home with the model is made for the whole run, and one with a TPM; a
test that changes it takes a copy, in which the model is a hard link.
"""
import atexit
import contextlib
import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent
PROJECT = EXAMPLES.parent
INVOICES = EXAMPLES / "invoices"
sys.path[:0] = [str(EXAMPLES), str(INVOICES)]
from free_ports import free_pair
from terminal import Terminal

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or PROJECT / "target")
BIN = Path(os.environ.get("CLOISTER_BIN") or TARGET / "release/cloister").resolve()
VERIFY = BIN.with_name("cloister-verify")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "cloister")
MODEL = Path(os.environ.get("CLOISTER_TEST_MODEL") or CACHE / "models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")
REQUEST = (INVOICES / "request.txt").read_text(encoding="utf-8").strip()
REPORT = "reports/q4-summary.xlsx"
BIG = 1 << 24  # bytes from which a file is a model and is linked, not copied
SECONDS = 300  # for one run

DONE, FAILED, USAGE, REFUSED, INTEGRITY, NO_PLAN = 0, 1, 2, 3, 4, 5
SOUND, TAMPERED, UNATTESTED = 0, 1, 2

AGENT = "invoice-helper"  # the agent of the example's manifest


def clean_env(tcti=None, bars=False):
    """No settings of whoever runs the tests; finished lines, unless a test needs progress bars to look at."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("CLOISTER_") and k not in ("ACCESSIBLE", "TERM")}
    env |= {"TERM": "xterm"} if bars else {"TERM": "dumb", "NO_COLOR": "1", "ACCESSIBLE": "1"}
    return env | {"CLOISTER_TCTI": tcti or "none"}


class Run:
    """How a command ended: `code`, `out`, `err`, and `doc`, the document of --json."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def doc(self):
        return json.loads(self.out)

    def __str__(self):
        return f"exit code {self.code}\n{self.out[-2000:]}\n{self.err[-2000:]}"


class Tpm:
    """A simulator on its own loopback ports, its state in a folder that goes with it: a new one, or a copy of `state`."""

    def __init__(self, state=None):
        self.state = tempfile.mkdtemp()
        if state:
            shutil.copytree(state, self.state, dirs_exist_ok=True)
        self.port = free_pair()
        self.tcti = f"swtpm:host=127.0.0.1,port={self.port}"
        self.turn_on()
        atexit.register(self.stop)

    def turn_on(self):
        self.process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}", "--server", f"type=tcp,port={self.port}",
             "--ctrl", f"type=tcp,port={self.port + 1}", "--flags", "not-need-init,startup-clear"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def turn_off(self):
        """What it has counted stays in its state."""
        self.process.terminate()
        self.process.wait()

    def stop(self):
        self.turn_off()
        shutil.rmtree(self.state, ignore_errors=True)


class Home:
    """A home of cloister, and the TPM that it is to use (None: there is none)."""

    def __init__(self, path, tpm=None):
        self.path, self.tpm = Path(path), tpm
        self.ledger = self.path / "ledger"

    @property
    def tcti(self):
        return self.tpm and self.tpm.tcti

    def call(self, *args, cwd=None, wrap=()):
        command = [*wrap, str(BIN), "--home", str(self.path), *map(str, args)]
        return Run(subprocess.run(command, cwd=cwd, env=clean_env(self.tcti), stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, errors="replace", timeout=SECONDS, check=False))

    def must(self, *args):
        run = self.call(*args)
        if run.code != DONE:
            raise AssertionError(f"cloister {' '.join(map(str, args))}: {run}")
        return run

    def run(self, folder, prompt=REQUEST, unattended=("--unattended",), wrap=()):
        return self.call("--json", "run", "--manifest", "manifest.json", *unattended, prompt, cwd=folder, wrap=wrap)

    def verify(self, *options):
        command = [str(VERIFY), str(self.ledger), "--roots", str(self.path / "keys/roots.json"), *map(str, options)]
        return Run(subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False))

    def at_terminal(self, folder, *args, bars=False):
        """Begin a command where a person sits."""
        return Terminal([str(BIN), "--home", str(self.path), *args], folder, clean_env(self.tcti, bars))

    def entries(self):
        """The ledger's entries, oldest first."""
        return [json.loads(line) for line in (self.ledger / "entries.jsonl").read_text(encoding="utf-8").splitlines()]

    def copy(self, into):
        """The same home in another place, `into`. Where one of the two has a session, the TPM's counter shows the other to be the older."""
        shutil.copytree(self.path, into, symlinks=True, copy_function=link_if_big)
        return Home(into, self.tpm)

    def twin(self, into):
        """The same home in another place, with a TPM that stands where this one's stands now: both can go on, and neither is noticed."""
        twin = self.copy(into)
        twin.tpm = self.tpm and Tpm(self.tpm.state)
        return twin

    def model(self):
        """The model's file, which no other home shares from now on."""
        path = next(p for p in (self.path / "models").rglob("*") if p.is_file() and p.stat().st_size >= BIG)
        own = path.with_name("own")
        shutil.copyfile(path, own)
        own.replace(path)
        return path


def link_if_big(source, target):
    if os.stat(source).st_size >= BIG:
        try:
            os.link(source, target)
            return target
        except OSError:  # another file system
            pass
    return shutil.copy2(source, target)


def make_home(path, tpm=None, policy=None):
    """A new home, in which the example's agent may run unattended; `policy` is a bundle to use instead of the shipped one."""
    home = Home(path, tpm)
    home.must("init", *(["--policy", policy] if policy else ["--unattended-agents", AGENT]))
    home.must("models", "import", MODEL, "--name", "test-model")
    share(home.path / "models/test-model.gguf")
    return home


def share(imported):
    """Homes made one by one hold their model once on the disk: half a gigabyte each would fill a small one."""
    kept = shared() / f"{hashlib.sha256(imported.read_bytes()).hexdigest()}.gguf"
    with one_worker(kept):
        if not kept.exists():
            imported.replace(kept)
    imported.unlink(missing_ok=True)
    link_if_big(kept, imported)


def bundle(folder, source=PROJECT / "policies/rules", **changes):
    """The shipped policy, or another, in a new folder, with parts of its settings changed."""
    shutil.copytree(source, folder)
    place = Path(folder, "settings.json")
    settings = json.loads(place.read_text(encoding="utf-8"))
    for name, parts in changes.items():
        settings[name] = settings.get(name, {}) | parts
    place.write_text(json.dumps(settings), encoding="utf-8")
    return folder


def set_policy(home, folder, **changes):
    """Have the policy in force with parts of its settings changed, installed as its admin would."""
    install(home, bundle(Path(folder, "changed-policy"), home.path / "policies", **changes))


def install(home, policy):
    """Have another policy in force, as its admin would. Returns the home."""
    with home.at_terminal(Path(policy).parent, "policy", "install", str(policy)) as terminal:
        terminal.expect(r"\[y\]es.*: ")
        terminal.press("y\r")
        if terminal.wait() != DONE:
            raise AssertionError(terminal.seen)
    return home


@functools.cache
def scratch():
    """A folder that goes when the tests end."""
    folder = tempfile.mkdtemp(prefix="cloister-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@functools.cache
def shared():
    """A folder of all workers of a run; of a process that runs alone, its own."""
    return Path(os.environ.get("CLOISTER_TESTS_SHARED") or scratch())


@contextlib.contextmanager
def one_worker(place):
    """The others wait."""
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made_once(name, make):
    """A folder of that name for all workers. One of them has `make` fill it, the others wait."""
    place, making = shared() / name, shared() / f"{name}.making"
    with one_worker(place):
        if not place.exists():
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            make(making)
            making.rename(place)
    return place


@functools.cache
def plain_home():
    """A home without a TPM, its model pinned. Shared: whoever changes it or its ledger takes a copy."""
    return Home(made_once("plain", lambda folder: make_home(folder / "home")) / "home")


@functools.cache
def attested_home():
    """A home enrolled with a simulator that runs until the tests end, one for each worker. Shared like `plain_home`."""
    def make(folder):
        tpm = Tpm()
        make_home(folder / "home", tpm)
        tpm.turn_off()
        shutil.copytree(tpm.state, folder / "tpm")

    place = made_once("attested", make)
    return Home(place / "home", Tpm(place / "tpm"))


def invoices(folder, **changes):
    """A fresh copy of the example; `changes` go into its manifest."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for path in INVOICES.glob("*.xlsx"):
        shutil.copy2(path, folder)
    manifest = json.loads((INVOICES / "manifest.json").read_text(encoding="utf-8")) | changes
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def letters(folder):
    """Three short texts that may be read and moved: the quickest thing to plan about."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    for name, text in {"a.txt": "alpha\nbeta\n", "c.txt": "gamma\n"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    capabilities = [{"name": name, "paths": ["*.txt"], "description": why} for name, why in
                    (("file:read", "Read the letters"), ("file:move", "Give the letters other names"))]
    manifest = {"agent": "letter-helper", "version": "1.0", "capabilities": capabilities, "ttl_seconds": 3600}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


RENAME = "Rename a.txt to b.txt"


def snapshot(folder):
    """Every file below a folder: relative path -> hash."""
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in Path(folder).rglob("*") if p.is_file()}


def flip(path, offset, by=1):
    """Change one byte of a file in place, by an exclusive or."""
    with open(path, "r+b") as file:
        file.seek(offset)
        old = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([old ^ by]))


class Case(unittest.TestCase):
    """A test with a folder of its own, which goes with it."""

    def setUp(self):
        self.assertTrue(BIN.is_file(), f"no binary at {BIN}: run `make build`")
        self.assertTrue(MODEL.is_file(), f"no model at {MODEL}: run `examples/fetch-model.py`")
        folder = tempfile.TemporaryDirectory(dir=scratch())
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def assert_code(self, run, *codes):
        self.assertIn(run.code, codes, str(run))
        self.assertNotIn("panicked", run.err)

    def assert_clear(self, run, culprit):
        """One sentence naming the culprit in backticks, and no backtrace."""
        named = re.compile(f"`[^`]*{re.escape(culprit)}[^`]*`")
        self.assertTrue(named.search(run.err), f"nobody named `{culprit}`: {run}")
        self.assertNotIn("stack backtrace", run.err)

    def assert_sound(self, home):
        """Whatever happened, the ledger holds together; without a TPM it is not attested, which is said and is no fault."""
        self.assert_code(home.verify(), SOUND, UNATTESTED)

    def assert_untouched(self, folder, before):
        self.assertEqual(snapshot(folder), before, "the folder was changed")
