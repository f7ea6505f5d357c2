"""Two verifiers that share no code and were written from the same page, `attest/SPEC.md`, must say the same of everything."""
import functools
import importlib.util
import json
import random
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from home import PROJECT, VERIFY
from test_story import told

TESTDATA = PROJECT / "attest/testdata"
SEED, CHANGES = 20261127, 400
SAID = ("verdict", "seq", "file", "byte", "entries", "sessions", "attested", "head", "witnessed")


def load():
    """The checker as a module. What it has computed once it need not compute for each change of another line."""
    spec = importlib.util.spec_from_file_location("ledger_check", PROJECT / "attest/check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.times = functools.cache(module.times)
    module.edwards = functools.cache(module.edwards)
    return module


CHECK = load()


def ours(ledger, roots, *options):
    run = subprocess.run([VERIFY, "--json", "--roots", roots, ledger, *options], capture_output=True, text=True)
    found = json.loads(run.stdout)
    return {name: found.get(name) for name in SAID}


def other(ledger, roots, challenge=None, answer=None):
    found = CHECK.check(ledger, CHECK.read_roots(Path(roots).read_bytes()), challenge, answer)
    return {name: found.get(name) for name in SAID}


def mutations(files, rng):
    """Changed copies of the files of a ledger: a byte, a cut, a line gone, twice, elsewhere or of another place, a file gone or new."""
    names = sorted(files)
    for _ in range(CHANGES):
        name = rng.choice(names)
        data = files[name]
        at = rng.randrange(len(data))
        lines = data.splitlines(keepends=True)
        one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
        moved = lines[:one] + lines[one + 1:]
        changed = rng.choice([
            lambda: data[:at] + bytes([data[at] ^ rng.randint(1, 255)]) + data[at + 1:],
            lambda: data[:at],
            lambda: data[:at] + data[at + 1:],
            lambda: data[:at] + data[at:at + 1] + data[at:],
            lambda: b"".join(moved),
            lambda: b"".join(lines[:one] + lines[one:one + 1] + lines[one:]),
            lambda: b"".join(moved[:two] + lines[one:one + 1] + moved[two:]),
            lambda: data + lines[one],
        ])()
        yield files | {name: changed}
    for name in names:
        yield {other: data for other, data in files.items() if other != name}
        yield files | {name + ".copy": files[name]}


def tile_mutations(files, rng):
    """The same of a folder of tiles: what it has instead of lines are lengths, and other tiles."""
    for _ in range(CHANGES // 4):
        path, other = rng.choice(sorted(files)), rng.choice(sorted(files))
        data = files[path]
        at = rng.choice((rng.randrange(4), rng.randrange(len(data))))
        changed = rng.choice([
            lambda: data[:at] + bytes([data[at] ^ rng.randint(1, 255)]) + data[at + 1:],
            lambda: data[:at],
            lambda: data + data[:at],
            lambda: data[:at] + data[at + 32:],
            lambda: files[other],
        ])()
        yield files | {path: changed}
    for path, data in files.items():
        yield {other: data for other, data in files.items() if other != path}
        for name in ("readme", "tile/0/000", "tile/0/001", "tile/0/000.p/1", "tile/entries/000.p/1", "tile/entries32/000.p/1", "tile/1/000.p/1", "tile/0/000.p/200", "tile/x/000", ".cloister-tmp"):
            yield files | {name: data}


class Checker(unittest.TestCase):
    def assert_agreed(self, ledger, roots):
        found, expected = other(ledger, roots), ours(ledger, roots)
        if (expected["file"] or "").startswith(("checkpoint", "cosigned-")):  # whether its fault is seen before the entries are read or after is left open
            found, expected = ({name: of[name] for name in SAID[:4]} for of in (found, expected))
        self.assertEqual(found, expected, ledger)

    def test_both_say_the_same_of_the_vectors(self):
        folders = sorted(path for path in TESTDATA.iterdir() if path.is_dir())
        self.assertGreater(len(folders), 15)
        for folder in folders:
            with self.subTest(folder.name):
                roots = folder / "roots.json" if (folder / "roots.json").exists() else TESTDATA / "roots.json"
                self.assert_agreed(folder / "ledger", roots)
                self.assertEqual(other(folder / "ledger", roots)["verdict"],
                                 {"ok": "sound", "bad": "tampered", "unanchored": "unanchored"}[folder.name.split("_")[0]])

    def test_both_say_the_same_of_whatever_is_changed_in_a_cosigned_note(self):
        whole = TESTDATA / "ok_witnessed"
        files = {path.name: path.read_bytes() for path in (whole / "ledger").iterdir()}
        (first, *_) = sorted(name for name in files if name.startswith("cosigned-"))
        note = files.pop(first)
        rng = random.Random(SEED)
        with tempfile.TemporaryDirectory() as temporary:
            for at in range(len(note)):
                changed = note[:at] + bytes([note[at] ^ rng.randint(1, 255)]) + note[at + 1:]
                ledger = Path(temporary) / "ledger"
                shutil.rmtree(ledger, ignore_errors=True)
                ledger.mkdir()
                for name, data in {**files, CHECK.cosigned_name(changed): changed}.items():
                    (ledger / name).write_bytes(data)
                self.assert_agreed(ledger, whole / "roots.json")

    def test_both_say_the_same_of_whatever_is_changed_among_tiles(self):
        rng = random.Random(SEED)
        for name in ("ok_tiles", "ok_tiles_grown"):
            whole = TESTDATA / name / "ledger"
            files = {path.relative_to(whole).as_posix(): path.read_bytes() for path in whole.rglob("*") if path.is_file()}
            with tempfile.TemporaryDirectory() as temporary:
                for changed in tile_mutations(files, rng):
                    tiles = Path(temporary) / "tiles"
                    shutil.rmtree(tiles, ignore_errors=True)
                    for path, data in changed.items():
                        (tiles / path).parent.mkdir(parents=True, exist_ok=True)
                        (tiles / path).write_bytes(data)
                    self.assert_agreed(tiles, TESTDATA / "roots.json")

    def test_both_say_the_same_of_forged_quotes(self):
        vectors = [json.loads(line) for line in (TESTDATA / "quotes.jsonl").read_text(encoding="utf-8").splitlines()]
        self.assertGreaterEqual(sum(vector["verdict"] == "tampered" for vector in vectors), 80)
        with tempfile.TemporaryDirectory() as temporary:
            ledger = Path(temporary)
            for vector in vectors:
                with self.subTest(vector["name"]):
                    (ledger / "entries.jsonl").write_text(vector["entries"], encoding="utf-8", newline="")
                    self.assert_agreed(ledger, TESTDATA / "roots.json")
                    self.assertEqual(other(ledger, TESTDATA / "roots.json")["verdict"], vector["verdict"])

    def test_both_say_the_same_of_a_real_ledger(self):
        home, *_ = told(attested=True)
        self.assert_agreed(home.ledger, home.path / "keys/roots.json")

    def test_both_say_the_same_of_whatever_is_changed(self):
        whole = TESTDATA / "ok_three_sessions/ledger"
        files = {path.name: path.read_bytes() for path in whole.iterdir()}
        verdicts = set()
        with tempfile.TemporaryDirectory() as temporary:
            for changed in mutations(files, random.Random(SEED)):
                ledger = Path(temporary) / "ledger"
                shutil.rmtree(ledger, ignore_errors=True)
                ledger.mkdir()
                for name, data in changed.items():
                    (ledger / name).write_bytes(data)
                if changed == files or "entries.jsonl" not in changed:  # a line put back where it was; nothing to read
                    continue
                self.assert_agreed(ledger, TESTDATA / "roots.json")
                verdicts.add(other(ledger, TESTDATA / "roots.json")["verdict"])
        self.assertEqual(verdicts, {"tampered", "unanchored"})  # a changed ledger is never sound


if __name__ == "__main__":
    unittest.main()
