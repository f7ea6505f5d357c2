"""`cloister audit export`, `report`, `compare`, `proof` and `tiles`: every entry as a line for another system, with what proves it, and without what is nobody's
business; a session as a page; where two copies of a ledger part; what proves an entry where the ledger is not; and the ledger as transparency logs lie."""
import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
import unittest

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from home import DONE, FAILED, INTEGRITY, SOUND, TAMPERED, UNATTESTED, USAGE, VERIFY, Case, Run, flip, set_policy
from test_story import told

FORMATS = ("jsonl", "ocsf", "cef", "rfc5424")


def iban(number):
    """A German IBAN of this account, with its check digits (ISO 13616)."""
    account = f"{number:018}"
    return f"DE{98 - int(account + '131400') % 97:02}{account}"


def card(number):
    """A number of sixteen digits that ends in its check digit (ISO/IEC 7812-1)."""
    digits = f"4{number:014}"
    doubled = [int(d) * (2 if place % 2 == 0 else 1) for place, d in enumerate(digits)]
    return digits + str(-sum(d // 10 + d % 10 for d in doubled) % 10)


CANARIES = [text for n in range(50) for text in (f"canary{n}.person@example{n}.org", iban(37040044053201300 + n), card(11111111110000 + n), f"+49 30 {9018200 + n}")]


class Export(Case):
    def setUp(self):
        super().setUp()
        home, self.invoices, *_ = told(attested=True)
        self.home = home.copy(self.folder / "home")
        self.lines = (self.home.ledger / "entries.jsonl").read_bytes().splitlines()

    def export(self, form, code=SOUND):
        run = self.home.call("audit", "export", "--format", form)
        self.assert_code(run, code)
        return run

    def test_each_entry_is_a_line_and_the_same_each_time(self):
        for form in FORMATS:
            out = self.export(form).out
            self.assertEqual(len(out.splitlines()), len(self.lines), form)
            self.assertEqual(out, self.export(form).out, form)

    def test_each_row_names_the_line_that_proves_it(self):
        hashes = ["sha256:" + hashlib.sha256(b"\0" + line).hexdigest() for line in self.lines]
        for form in FORMATS:
            for row, proof in zip(self.export(form).out.splitlines(), hashes, strict=True):
                self.assertIn(proof, row, form)
                self.assertIn(hashes[0], row, form)

    def test_the_rows_of_ocsf_are_valid_by_its_schema(self):
        schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.5.0")).get_class_schema("api_activity")
        for row in self.export("ocsf").out.splitlines():
            jsonschema.validate(json.loads(row), schema)
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({**json.loads(row), "class_uid": "6003"}, schema)

    def test_syslog_has_the_form_of_its_rfc(self):
        form = re.compile(r'<1(10|09|08)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z [!-~]+ cloister - [a-z-]+ \[cloister@32473( [a-z]+="[^"\\\]]*")+\] \ufeff.*')
        for row in self.export("rfc5424").out.splitlines():
            self.assertRegex(row, form)

    def test_what_the_policy_lists_does_not_leave(self):
        self.assertIn("q4-summary.xlsx", self.export("jsonl").out)
        set_policy(self.home, self.folder, redact={"patterns": {"quarter": "q[1-4]-[a-z]+"}, "names": ["Invoice-Helper"]})
        run = self.export("jsonl")
        self.assertNotIn("q4-summary", run.out)
        self.assertIn("[quarter].xlsx", run.out)
        self.assertNotIn("invoice-helper", run.out)
        page = self.home.call("audit", "report", "--session", json.loads(self.lines[0])["session"])
        self.assertNotIn("q4-summary", page.out)
        self.assertIn("[quarter].xlsx", page.out)

    def test_a_session_is_a_page_that_says_who_agreed_to_what(self):
        session = json.loads(self.lines[0])["session"]
        run = self.home.call("audit", "report", "--session", session)
        self.assert_code(run, SOUND)
        entries = [json.loads(line) for line in self.lines]
        (released,) = (entry["body"]["files"] for entry in entries if entry["kind"] == "released")
        start = entries[0]["body"]
        read = [fact for entry in entries if entry["kind"] == "call-outcome" for file in entry["body"]["read"] for fact in (file["path"], file["sha256"])]
        self.assertTrue(read)
        told = [*read, entries[1]["body"].get("intent"), start["user"], start["agent"], start["statement"]["model"], start["statement"]["device"],
                released[0]["path"], released[0]["sha256"], "every entry is whole"]
        for fact in filter(None, told):
            self.assertIn(html.escape(fact), run.out)
        self.assertNotIn("<script", run.out)
        self.assertNotRegex(run.out, r"(src|href|url)\s*[=(]")
        missing = self.home.call("audit", "report", "--session", "0" * 16)
        self.assert_code(missing, 1)
        self.assertIn("audit show", missing.err)

    def test_a_changed_ledger_is_not_handed_on(self):
        flip(self.home.ledger / "entries.jsonl", 100)
        self.assertEqual(self.home.call("audit", "report", "--session", json.loads(self.lines[0])["session"]).out, "")
        for form in FORMATS:
            self.assertEqual(self.export(form, TAMPERED).out, "", form)

    def test_what_stands_before_the_fault_is_exported_by_name(self):
        at = sum(len(line) + 1 for line in self.lines[:4]) + 20
        whole = self.export("jsonl").out.splitlines()
        flip(self.home.ledger / "entries.jsonl", at)
        run = self.home.call("audit", "export", "--format", "jsonl", "--tampered")
        self.assert_code(run, TAMPERED)
        self.assertEqual(run.out.splitlines(), whole[:4])
        self.assertIn("tampered", run.err)

    def test_no_canary_leaves(self):
        """Planted in a request, which the ledger keeps as text."""
        self.assertEqual(len(set(CANARIES)), 200)
        self.home = self.home.twin(self.folder / "twin")
        for start in range(0, len(CANARIES), 20):
            words = "What is the weather for " + ", ".join(CANARIES[start:start + 20]) + "?"
            self.home.run(self.invoices, words)
        ledger = (self.home.ledger / "entries.jsonl").read_text(encoding="utf-8")
        kept = [canary for canary in CANARIES if canary in ledger]
        self.assertEqual(kept, CANARIES)  # what is not there could not leave
        for form in FORMATS:
            run = self.home.call("audit", "export", "--format", form)
            self.assertEqual([canary for canary in CANARIES if canary in run.out + run.err], [], form)
            self.assertIn("200 addresses or numbers", run.err, form)
        for session in {entry["session"] for entry in self.home.entries()}:
            run = self.home.call("audit", "report", "--session", session)
            self.assertEqual([canary for canary in CANARIES if canary in run.out + run.err], [], session)


class Compare(Case):
    def setUp(self):
        super().setUp()
        home, self.invoices, *_ = told(attested=True)
        self.home = home.twin(self.folder / "home")
        self.kept = self.folder / "kept"
        shutil.copytree(self.home.ledger, self.kept)
        self.entries = len(self.home.entries())

    def compare(self, earlier, later, code):
        run = self.home.call("--json", "audit", "compare", earlier, later)
        self.assert_code(run, code)
        return run.doc

    def test_a_ledger_goes_on_from_its_copy_and_its_checkpoint(self):
        for kept in (self.kept, self.kept / "entries.jsonl", self.kept / "checkpoint"):
            self.assertEqual(self.compare(kept, self.home.ledger, DONE), {"comparison": "same", "entries": self.entries})
        self.home.run(self.invoices, "What is the weather?")
        more = len(self.home.entries()) - self.entries
        self.assertGreater(more, 0)
        extends = {"comparison": "extends", "entries": self.entries, "more": more}
        for kept in (self.kept, self.kept / "checkpoint"):
            self.assertEqual(self.compare(kept, self.home.ledger, DONE), extends)
        # The other way round it was rolled back, which no verifier sees without what was kept.
        shorter = {"comparison": "shorter", "entries": self.entries, "missing": more}
        for later in (self.home.ledger, self.home.ledger / "checkpoint"):
            self.assertEqual(self.compare(later, self.kept, INTEGRITY), shorter)

    def test_what_a_witness_keeps_is_said_and_drawn(self):
        checkpoint = self.home.call("audit", "checkpoint")
        self.assert_code(checkpoint, SOUND)
        self.assertEqual(checkpoint.out, (self.kept / "checkpoint").read_text(encoding="utf-8"))
        drawn = self.home.call("audit", "checkpoint", "--qr")
        self.assertRegex(drawn.out, "^[ ▀▄█\n]+$")
        self.assertLessEqual(max(map(len, drawn.out.splitlines())), 80)
        flip(self.home.ledger / "entries.jsonl", 100)
        refused = self.home.call("audit", "checkpoint")
        self.assert_code(refused, TAMPERED)
        self.assertEqual(refused.out, "")

    def test_a_fork_is_named_by_its_first_entry(self):
        other = self.home.twin(self.folder / "other")
        for home in (self.home, other):
            home.run(self.invoices, "What is the weather?")
        for home in (self.home, other):
            self.assert_code(home.call("audit", "verify"), SOUND)  # each by itself
        doc = self.compare(self.home.ledger, other.ledger, INTEGRITY)
        self.assertEqual((doc["comparison"], doc["seq"]), ("diverges", self.entries))
        self.assertEqual(doc["byte"], (self.kept / "entries.jsonl").stat().st_size)
        lines = [home.ledger.joinpath("entries.jsonl").read_bytes().splitlines()[self.entries] for home in (self.home, other)]
        self.assertEqual([doc["earlier"]["line"], doc["later"]["line"]], ["sha256:" + hashlib.sha256(b"\0" + line).hexdigest() for line in lines])
        doc = self.compare(self.home.ledger / "checkpoint", other.ledger, INTEGRITY)
        self.assertEqual((doc["comparison"], doc["seq"]), ("diverges-up-to", len(self.home.entries()) - 1))

    def test_what_does_not_hold_is_named(self):
        flip(self.home.ledger / "entries.jsonl", 100)
        doc = self.compare(self.kept, self.home.ledger, INTEGRITY)
        self.assertEqual((doc["comparison"], doc["side"], doc["seq"], doc["byte"]), ("broken", "later", 0, 0))


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def tree(leaves):
    """The root as RFC 6962 section 2.1 defines it."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node(tree(leaves[:half]), tree(leaves[half:]))


def climbed(leaf, place, size, path):
    """The root that an audit path leads to, by the definition of RFC 6962 section 2.1.1."""
    if size == 1:
        assert not path
        return leaf
    half = 1 << (size - 1).bit_length() - 1
    if place < half:
        return node(climbed(leaf, place, half, path[:-1]), path[-1])
    return node(path[-1], climbed(leaf, place - half, size - half, path[:-1]))


def subproof(leaves, first, whole):
    """SUBPROOF of RFC 6962 section 2.1.2."""
    size = len(leaves)
    if first == size:
        return [] if whole else [tree(leaves)]
    half = 1 << (size - 1).bit_length() - 1
    if first <= half:
        return subproof(leaves[:half], first, whole) + [tree(leaves[half:])]
    return subproof(leaves[half:], first - half, False) + [tree(leaves[:half])]


def digests(texts):
    return [bytes.fromhex(text.removeprefix("sha256:")) for text in texts]


def said(checkpoint):
    """How many entries a checkpoint counts, and its root."""
    _, size, root, *_ = checkpoint.splitlines()
    return int(size), base64.b64decode(root)


class Proof(Case):
    def setUp(self):
        super().setUp()
        home, self.invoices, *_ = told(attested=True)
        self.home = home.twin(self.folder / "home")
        self.kept = self.folder / "kept"
        shutil.copy(self.home.ledger / "checkpoint", self.kept)

    def leaves(self):
        lines = (self.home.ledger / "entries.jsonl").read_bytes().splitlines()
        return [hashlib.sha256(b"\0" + line).digest() for line in lines]

    def proof(self, of):
        run = self.home.call("audit", "proof", of)
        self.assert_code(run, SOUND)
        self.assertEqual(run.out.count("\n"), 1)
        file = self.folder / "proof.json"
        file.write_text(run.out, encoding="utf-8")
        return json.loads(run.out), file

    def judged(self, file, code):
        """By an auditor who has the roots and this file."""
        command = [VERIFY, "--json", file, "--roots", self.home.path / "keys/roots.json"]
        run = Run(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False))
        self.assert_code(run, code)
        return run.doc

    def test_every_entry_is_proven_without_the_ledger(self):
        leaves = self.leaves()
        for seq in range(len(leaves)):
            doc, file = self.proof(str(seq))
            size, root = said(doc["checkpoint"])
            self.assertEqual((size, root), (len(leaves), tree(leaves)))
            places = [json.loads(shown["line"])["seq"] for shown in doc["shown"]]
            self.assertIn(seq, places)
            for place, shown in zip(places, doc["shown"], strict=True):
                self.assertEqual(hashlib.sha256(b"\0" + shown["line"].encode()).digest(), leaves[place])
                self.assertEqual(climbed(leaves[place], place, size, digests(shown["path"])), root)
            proven = self.judged(file, SOUND)["proves"]
            self.assertEqual((proven["seq"], proven["of"]), (seq, size))
            flip(file, file.stat().st_size * (seq + 1) // (len(leaves) + 2))
            self.judged(file, TAMPERED)

    def test_a_ledger_is_proven_to_go_on_from_what_was_kept(self):
        before = len(self.leaves())
        self.home.run(self.invoices, "What is the weather?")
        leaves = self.leaves()
        doc, file = self.proof(self.kept)
        extends = doc["proves"]["extends"]
        self.assertEqual(extends["checkpoint"], self.kept.read_text(encoding="utf-8"))
        self.assertEqual(said(extends["checkpoint"]), (before, tree(leaves[:before])))
        self.assertEqual(said(doc["checkpoint"]), (len(leaves), tree(leaves)))
        self.assertEqual(digests(extends["path"]), subproof(leaves, before, True))
        proven = self.judged(file, SOUND)["proves"]
        self.assertEqual((proven["entries"], proven["of"], proven["earlier"]), (before, len(leaves), extends["checkpoint"]))

    def test_what_is_not_so_is_not_proven(self):
        run = self.home.call("audit", "proof", str(len(self.leaves())))
        self.assert_code(run, FAILED)
        self.assertIn("does not count it", run.err)
        other = self.home.twin(self.folder / "other")
        for home in (self.home, other):
            home.run(self.invoices, "What is the weather?")
        run = self.home.call("audit", "proof", other.ledger / "checkpoint")
        self.assert_code(run, FAILED)
        self.assertIn("audit compare", run.err)
        flip(self.home.ledger / "entries.jsonl", 100)
        run = self.home.call("audit", "proof", "3")
        self.assert_code(run, TAMPERED)
        self.assertEqual(run.out, "")


class Tiles(Case):
    def setUp(self):
        super().setUp()
        home, self.invoices, *_ = told(attested=True)
        self.home = home.twin(self.folder / "home")
        self.tiles = self.folder / "tiles"

    def made(self, code=SOUND, home=None, folder=None):
        run = (home or self.home).call("--json", "audit", "tiles", folder or self.tiles)
        self.assert_code(run, code)
        return run

    def judged(self, code, *options):
        command = [VERIFY, "--json", self.tiles, "--roots", self.home.path / "keys/roots.json", *options]
        run = Run(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False))
        self.assert_code(run, code)
        return run.doc

    def files(self):
        return {path.relative_to(self.tiles).as_posix(): path.read_bytes() for path in self.tiles.rglob("*") if path.is_file()}

    def lines(self):
        return (self.home.ledger / "entries.jsonl").read_bytes().splitlines()

    def test_nothing_is_laid_where_a_link_leads(self):
        theirs = self.folder / "theirs"
        theirs.write_text("theirs")
        self.tiles.mkdir()
        (self.tiles / "checkpoint").write_bytes((self.home.ledger / "checkpoint").read_bytes())
        (self.tiles / ".cloister-tmp").symlink_to(theirs)
        self.made()
        self.assertEqual(theirs.read_text(), "theirs")
        shutil.rmtree(self.tiles / "tile")
        (self.tiles / "tile").symlink_to(self.folder / "elsewhere", target_is_directory=True)
        (self.folder / "elsewhere").mkdir()
        self.assertIn("it is no folder", self.made(INTEGRITY).err)
        self.assertEqual(list((self.folder / "elsewhere").iterdir()), [])

    def test_a_folder_that_a_link_alone_makes_ours_is_not_littered(self):
        self.tiles.mkdir()
        (self.tiles / "letter").write_text("theirs")
        (self.tiles / ".cloister-tmp").symlink_to(self.tiles / "letter")
        self.assertIn("holds something else", self.made(USAGE).err)

    def test_a_stranger_reads_hashes_entries_and_checkpoint(self):
        key = self.made().doc["key"]
        lines, files = self.lines(), self.files()
        size = len(lines)
        self.assertLess(size, 256)
        self.assertEqual(set(files), {"checkpoint", f"tile/0/000.p/{size}", f"tile/entries/000.p/{size}"})
        bundle, found = files[f"tile/entries/000.p/{size}"], []
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            found.append(bundle[2:2 + length])
            bundle = bundle[2 + length:]
        self.assertEqual(found, lines)
        hashes = files[f"tile/0/000.p/{size}"]
        leaves = [hashes[at:at + 32] for at in range(0, len(hashes), 32)]
        self.assertEqual(leaves, [hashlib.sha256(b"\0" + line).digest() for line in lines])
        self.assertEqual(said(files["checkpoint"].decode()), (size, tree(leaves)))
        name, key_id, data = key.split("+", 2)
        self.assertEqual(hashlib.sha256(name.encode() + b"\n" + base64.b64decode(data)).hexdigest()[:8], key_id)
        *_, signature = files["checkpoint"].decode().splitlines()
        self.assertTrue(signature.startswith(f"\u2014 {name} "))
        self.assertEqual(base64.b64decode(signature.split(" ")[2])[:4].hex(), key_id)
        self.assertEqual(self.judged(SOUND)["entries"], size)

    def test_a_folder_grows_with_its_ledger_and_keeps_what_it_had(self):
        self.made()
        before = self.files()
        self.assertEqual(self.made().doc["written"], 0)
        self.assertEqual(self.files(), before)
        self.home.run(self.invoices, "What is the weather?")
        self.assertEqual(self.made().doc["written"], 3)
        after = self.files()
        self.assertEqual({path: after[path] for path in before if path != "checkpoint"}, {path: data for path, data in before.items() if path != "checkpoint"})
        self.assertEqual(self.judged(SOUND)["entries"], len(self.lines()))
        (self.tiles / "checkpoint").write_bytes(before["checkpoint"])  # as a writer leaves it that is cut off before the last file
        self.judged(UNATTESTED)
        self.made()
        self.assertEqual(self.files(), after)

    def test_a_changed_partial_tile_of_an_earlier_checkpoint_is_refused_and_named(self):
        self.made()
        earlier = [path for path in self.files() if path != "checkpoint"]
        self.home.run(self.invoices, "What is the weather?")
        self.made()
        self.home.run(self.invoices, "What is the weather?")
        before = self.files()
        for path in earlier:
            flip(self.tiles / path, 40)
            run = self.made(INTEGRITY)
            self.assert_clear(run, path)
            flip(self.tiles / path, 40)
            self.assertEqual(self.files(), before)
        self.assertEqual(self.made().doc["written"], 3)
        self.judged(SOUND)

    def test_another_history_is_refused_and_nothing_is_written(self):
        other = self.home.twin(self.folder / "other")
        for home in (self.home, other):
            home.run(self.invoices, "What is the weather?")
        self.made()
        before = self.files()
        run = self.made(INTEGRITY, other)
        self.assertIn("not of this ledger", run.err)
        path = next(self.tiles.glob("tile/0/000.p/*"))
        path.write_bytes(b"x" + path.read_bytes()[1:])
        self.made(INTEGRITY)
        path.write_bytes(before[path.relative_to(self.tiles).as_posix()])
        self.assertEqual(self.files(), before)
        flip(self.home.ledger / "entries.jsonl", 100)
        self.made(TAMPERED)
        self.assertEqual(self.files(), before)

    def test_what_is_changed_in_it_is_noticed(self):
        self.made()
        for path, data in self.files().items():
            for at in range(0, len(data), 97):
                (self.tiles / path).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
                self.judged(TAMPERED)
            (self.tiles / path).write_bytes(data[:-1])
            self.judged(TAMPERED)
            (self.tiles / path).write_bytes(data)
        (self.tiles / "tile/link").symlink_to(self.tiles / "checkpoint")
        self.assertEqual(self.judged(TAMPERED)["file"], "tile/link")
        (self.tiles / "tile/link").unlink()
        self.judged(SOUND)

    def test_nothing_is_written_into_a_ledger_or_among_other_things(self):
        ledger = sorted(path.name for path in self.home.ledger.iterdir())
        for folder in (self.home.ledger, self.home.ledger / "tiles"):
            self.made(USAGE, folder=folder)
        self.assertEqual(sorted(path.name for path in self.home.ledger.iterdir()), ledger)
        self.tiles.mkdir()
        (self.tiles / "letter.txt").write_text("mine", encoding="utf-8")
        self.made(USAGE)
        self.assertEqual(set(self.files()), {"letter.txt"})


if __name__ == "__main__":
    unittest.main()
