"""Arguments and outputs: the ledger commits to them, `audit content` opens them, `audit shred` destroys them, and nobody guesses them."""
import base64
import hashlib
import json
import os
import re
import unittest

import openpyxl
import strace
from home import DONE, FAILED, INTEGRITY, REFUSED, RENAME, TAMPERED, UNATTESTED, Case, invoices, letters, plain_home, snapshot
from test_story import told

DOMAIN = b"cloister-content/v1\0"
COMMITMENT = re.compile("commit:[0-9a-f]{64}")
NAMING = ("plan", "call-intent", "call-outcome")


def named(entry):
    """The commitments of an entry."""
    body = entry["body"]
    return [step["args"] for step in body["steps"]] if entry["kind"] == "plan" else [body[name] for name in ("args", "output") if name in body]


class Told(Case):
    def setUp(self):
        super().setUp()
        home, self.invoices, _, run, _ = told(attested=False)
        self.doc = run.doc
        self.home = home.copy(self.folder / "home")
        self.naming = [entry for entry in self.home.entries() if entry["kind"] in NAMING]
        self.session = self.naming[-1]["session"]
        self.key, self.sealed = (self.home.path / "contents" / f"{self.session}.{end}" for end in ("key", "sealed"))

    def content(self, entry, code=DONE):
        run = self.home.call("--json", "audit", "content", entry["seq"])
        self.assert_code(run, *((code,) if code != DONE else (DONE, UNATTESTED)))
        return run

    def opened(self, entry):
        """{commitment: bytes} of an entry, each held against the commitment here and not by the program."""
        doc = self.content(entry).doc
        self.assertEqual((doc["seq"], doc["session"]), (entry["seq"], entry["session"]))
        found = {}
        for content in doc["contents"]:
            data = content["content"].encode()
            self.assertEqual("commit:" + hashlib.sha256(DOMAIN + bytes.fromhex(content["salt"]) + data).hexdigest(), content["commitment"])
            found[content["commitment"]] = data
        self.assertEqual(list(found), named(entry))
        return found


class Contents(Told):
    def test_each_is_what_its_entry_commits_to(self):
        by_kind = {}
        for entry in self.naming:
            for commitment in named(entry):
                self.assertRegex(commitment, COMMITMENT)
            by_kind.setdefault(entry["kind"], []).append([json.loads(data) for data in self.opened(entry).values()])
        planned, intents, outcomes = (by_kind[kind] for kind in NAMING)
        describe, _ = planned[0]
        self.assertEqual(intents[0], [describe], "the first call is the planned one")
        self.assertEqual(intents[1], [{k: v for k, v in self.doc["plan"]["steps"][1]["args"].items() if v is not None}])
        self.assertEqual([outcome[0]["ended"] for outcome in outcomes], ["Returned", "Returned"])
        self.assertIn("total", json.dumps(outcomes[1]).lower())

    def test_an_auditor_elsewhere_holds_it_against_the_ledger(self):
        shown = self.folder / "content.json"
        for entry in self.naming:
            run = self.content(entry)
            shown.write_text(run.out, encoding="utf-8")
            verdict = self.home.verify("--content", shown)
            self.assert_code(verdict, UNATTESTED)
            self.assertEqual(verdict.out.count(f"is what entry {entry['seq']} commits to"), len(named(entry)))
            doc = run.doc
            doc["contents"][-1]["content"] += " "
            shown.write_text(json.dumps(doc), encoding="utf-8")
            verdict = self.home.verify("--content", shown)
            self.assert_code(verdict, TAMPERED)
            self.assertEqual(verdict.out.count("is NOT what"), 1)

    def test_a_call_that_is_the_planned_one_shows_it_without_being_opened(self):
        plan, first, *_ = self.naming
        self.assertEqual(first["body"]["args"], plan["body"]["steps"][0]["args"])
        steps = json.dumps(plan["body"]["steps"], separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
        self.assertEqual(plan["body"]["hash"], "sha256:" + hashlib.sha256(b"cloister-plan/v1\0" + steps).hexdigest())
        self.assertEqual(plan["body"]["hash"], self.doc["plan"]["hash"])
        others = [commitment for entry in self.naming[2:] for commitment in named(entry)]
        self.assertEqual(len(set(others)), len(others))

    def test_a_person_is_shown_it_and_no_letter_that_deceives(self):
        """What a document says is in the output of a call: here a terminal's sequence, a reversed and an invisible letter."""
        letters_that_do = "\x9b\u202e\u200b"
        folder = invoices(self.folder / "invoices")
        for path in sorted(folder.glob("*.xlsx")):
            book = openpyxl.load_workbook(path)
            cells = [cell for sheet in book for row in sheet.iter_rows(max_row=8) for cell in row if isinstance(cell.value, str)]
            cells[-1].value = f"Fee{letters_that_do}"
            book.save(path)
        self.home.run(folder)
        shown = told = ""
        for entry in [entry for entry in self.home.entries() if entry["kind"] in NAMING and entry["session"] != self.session]:
            told += b"".join(self.opened(entry).values()).decode()
            run = self.home.call("audit", "content", entry["seq"])
            self.assert_code(run, DONE, UNATTESTED)
            shown += run.out
        self.assertIn("args of $1, commit:", shown)
        self.assertTrue(set(letters_that_do) <= set(told), "what is not there could not be shown")
        self.assertIn(r"Fee\u{9b}\u{202e}\u{200b}", shown)
        self.assertEqual(set(letters_that_do) & set(shown), set())
        self.assertEqual({c for c in shown if ord(c) < 32 or 127 <= ord(c) < 160}, {"\n"})

    def test_a_short_one_is_not_found_by_trying(self):
        """With the very bytes at hand: what finds them in the digests of older entries, and would in a commitment without a salt."""
        ledger = (self.home.ledger / "entries.jsonl").read_text(encoding="utf-8")
        sealed = self.sealed.read_text(encoding="ascii")
        for entry in self.naming:
            for commitment, data in self.opened(entry).items():
                self.assertIn(commitment[7:], ledger)
                value = json.loads(data)
                spellings = {data, json.dumps(value).encode(), json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()}
                for guess in spellings | {data + b"\n"}:
                    for before in (b"", b"\0", DOMAIN, DOMAIN + bytes(32), b"cloister-entry/v1\0"):
                        digest = hashlib.sha256(before + guess).hexdigest()
                        self.assertNotIn(digest, ledger)
                        self.assertNotIn(digest, sealed)

    def test_no_canary_stands_in_the_clear(self):
        """Planted in a heading, which a call gives back and the next one is called with, and in a file's name, which both have."""
        canary, heading = "canary77.person", "Canary Fee 4471"
        folder = invoices(self.folder / "invoices")
        for number, path in enumerate(sorted(folder.glob("*.xlsx"))):
            book = openpyxl.load_workbook(path)
            cells = [cell for sheet in book for row in sheet.iter_rows(max_row=8) for cell in row if isinstance(cell.value, str)]
            cells[-1].value = f"{heading} {number}"
            book.save(path)
            path.rename(path.with_name(f"{canary}-{path.name}"))
        self.assert_code(self.home.run(folder), DONE)
        entries = [entry for entry in self.home.entries() if entry["kind"] in NAMING and entry["session"] != self.session]
        told = b"".join(data for entry in entries for data in self.opened(entry).values())
        self.assertIn(canary.encode(), told)  # what is not there could not stand in the clear
        self.assertIn(heading.encode(), told)
        ledger = (self.home.ledger / "entries.jsonl").read_bytes()
        self.assertIn(canary.encode(), ledger)  # of files the ledger has the names
        self.assertNotIn(heading.encode(), ledger)
        for path in (self.home.path / "contents").iterdir():
            kept = path.read_bytes()
            plain = b"".join(base64.b64decode(line.split()[1]) for line in kept.splitlines()) if path.suffix == ".sealed" else kept
            for data in (kept, plain):
                for text in (canary.encode(), heading.encode(), b"args", b"ended"):
                    self.assertNotIn(text, data, path.name)
                    self.assertNotIn(base64.b64encode(text)[:-4], data, path.name)

    def test_what_was_changed_is_refused_by_name_and_the_ledger_holds(self):
        outcome = self.naming[-1]
        (commitment,) = named(outcome)
        verdict = self.home.verify()
        whole = self.sealed.read_bytes()
        at = whole.index(commitment.encode())
        last = named(self.naming[-2])[0].encode()
        lines = whole.splitlines(keepends=True)
        swapped = [line.replace(commitment.encode(), b"X").replace(last, commitment.encode()) for line in lines]
        for what, data in (
            ("a bit of the line", whole[:at + 100] + bytes([whole[at + 100] ^ 1]) + whole[at + 101:]),
            ("a bit of its name", whole[:at + 20] + bytes([whole[at + 20] ^ 1]) + whole[at + 21:]),
            ("cut off", whole[:at + 90]),
            ("missing", b"".join(line for line in lines if not line.startswith(commitment.encode()))),
            ("another's", b"".join(swapped)),
            ("empty", b""),
        ):
            self.sealed.write_bytes(data)
            run = self.content(outcome, INTEGRITY)
            self.assert_clear(run, commitment)
            self.assertEqual(run.out, "", what)
            self.assertEqual((self.home.verify().code, self.home.verify().out), (verdict.code, verdict.out), what)
        self.sealed.write_bytes(whole)
        self.opened(outcome)
        key = self.key.read_bytes()
        self.key.write_bytes(key[:20] + (b"1" if key[20:21] == b"0" else b"0") + key[21:])  # still a key, and another
        self.assert_clear(self.content(outcome, INTEGRITY), commitment)
        self.key.unlink()
        self.assert_clear(self.content(outcome, INTEGRITY), self.key.name)

    def test_what_commits_to_nothing_is_said(self):
        for seq, culprit in ((0, "session-start"), (9999, "audit show")):
            run = self.home.call("audit", "content", seq)
            self.assert_code(run, FAILED)
            self.assert_clear(run, culprit)

    def test_only_their_user_reads_them_and_no_manifest_reaches_them(self):
        for path, mode in ((self.key, 0o600), (self.sealed, 0o600), (self.key.parent, 0o700)):
            self.assertEqual(path.stat().st_mode & 0o777, mode)
        work = letters(self.folder / "letters")
        manifest = json.loads((work / "manifest.json").read_text(encoding="utf-8"))
        for capability in manifest["capabilities"]:
            capability["paths"] = [str(self.key.parent / "*")]
        (work / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        before = snapshot(self.key.parent)
        run = self.home.run(work, f"Rename {self.key} to b.txt", unattended=())
        self.assertNotEqual(run.code, DONE)
        self.assertEqual(before.items() - snapshot(self.key.parent).items(), set())
        self.assertNotIn("call-intent", [entry["kind"] for entry in self.home.entries() if entry["session"] == run.doc["session"]])

    @unittest.skipUnless(strace.AVAILABLE, "strace is not installed")
    def test_a_content_is_on_the_disk_before_the_entry_that_names_it(self):
        log = self.folder / "strace"
        wrap = ["strace", "-f", "-y", "-qq", "-e", "trace=write,fsync,fdatasync", "-s", "1000000", "-o", str(log)]
        self.home.run(letters(self.folder / "letters"), RENAME, unattended=(), wrap=wrap)
        synced, written, entries = set(), set(), 0
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if ".sealed>" in line:
                if "sync(" in line:
                    synced |= written
                written |= set(COMMITMENT.findall(line))
            elif "entries.jsonl>" in line and "write(" in line:
                self.assertLessEqual(set(COMMITMENT.findall(line)), synced)
                entries += bool(COMMITMENT.search(line))
        self.assertEqual(entries, 3, "a plan, an intent and an outcome")
        key = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if ".key>" in line or ".sealed>" in line]
        self.assertIn("fsync", key[1], "the key, before anything is sealed under it")


class Shred(Told):
    def shred(self, *options):
        return self.home.call("--json", "audit", "shred", self.session, *options)

    def test_what_was_shredded_nobody_opens_and_the_ledger_says_who_did_it(self):
        before = self.home.entries()
        kept = self.key.read_text(encoding="ascii")
        run = self.shred("--yes")
        self.assert_code(run, DONE)
        self.assertEqual(run.doc["shredded"], self.session)
        self.assertFalse(self.key.exists() or self.sealed.exists())
        own = self.home.entries()[len(before):]
        self.assertEqual([entry["body"] for entry in own if entry["kind"] == "shred"], [{"session": self.session}])
        self.assertEqual(own[0]["body"]["user"], before[0]["body"]["user"])
        self.assertIn(f"the contents of session {self.session} are destroyed", self.home.call("audit", "show").out)
        self.assert_sound(self.home)
        for entry in self.naming:
            refused = self.content(entry, INTEGRITY)
            self.assertIn(f"the contents of session {self.session} were shredded, as entry ", refused.err)
        again = invoices(self.folder / "again")
        replay = self.home.call("--json", "audit", "replay", self.session, "--manifest", again / "manifest.json")
        self.assert_code(replay, INTEGRITY)
        self.assertIn("were shredded", replay.doc["error"]["message"])
        self.assert_code(self.shred("--yes"), FAILED)
        self.assert_sound(self.home)
        digits = kept.removeprefix("contents-key:").strip()
        for path in self.home.path.rglob("*"):
            if path.is_file() and path.stat().st_size < 1 << 24:
                self.assertNotIn(digits.encode(), path.read_bytes(), path)

    def test_the_key_is_wiped_and_not_its_name_alone_removed(self):
        other = self.folder / "another name"
        os.link(self.key, other)
        length = other.stat().st_size
        self.assert_code(self.shred("--yes"), DONE)
        self.assertEqual(other.read_bytes(), bytes(length))

    @unittest.skipUnless(strace.AVAILABLE, "strace is not installed")
    def test_the_ledger_says_it_before_anything_is_destroyed(self):
        log = self.folder / "strace"
        wrap = ["strace", "-f", "-y", "-qq", "-e", "trace=write,fsync,fdatasync,unlink,unlinkat", "-s", "1000000", "-o", str(log)]
        self.assert_code(self.home.call("--json", "audit", "shred", self.session, "--yes", wrap=wrap), DONE)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()

        def first(what, after=-1):
            found = [number for number, line in enumerate(lines) if number > after and re.search(what, line)]
            self.assertTrue(found, what)
            return found[0]

        said = first(r'write\(.*/entries\.jsonl>.*\\"kind\\":\\"shred')
        durable = first(r"fdatasync\(.*/entries\.jsonl>", said)
        destroyed = [first(what) for what in (r"write\(.*\.key>", r"sync\(.*\.key>", r"unlink.*\.key\"", r"unlink.*\.sealed\"")]
        self.assertEqual([said, durable, *destroyed], sorted([said, durable, *destroyed]))

    def test_other_sessions_keep_theirs(self):
        self.home.run(letters(self.folder / "letters"), RENAME, unattended=())
        later = [entry for entry in self.home.entries() if entry["kind"] in NAMING and entry["session"] != self.session]
        self.assert_code(self.shred("--yes"), DONE)
        self.assertEqual(len(later), 3)
        for entry in later:
            self.opened(entry)

    def test_nothing_is_shredded_without_a_yes(self):
        before = snapshot(self.home.path / "contents"), len(self.home.entries())
        run = self.shred()
        self.assert_code(run, REFUSED)
        self.assertIn("nobody to ask", run.err + run.out)
        with self.home.at_terminal(self.folder, "audit", "shred", self.session) as terminal:
            terminal.expect(r"\[y\]es.*: ")
            terminal.press("n\r")
            self.assertEqual(terminal.wait(), REFUSED)
        self.assertEqual((snapshot(self.home.path / "contents"), len(self.home.entries())), before)
        with self.home.at_terminal(self.folder, "audit", "shred", self.session) as terminal:
            terminal.expect(r"\[y\]es.*: ")
            terminal.press("y\r")
            self.assertEqual(terminal.wait(), DONE)
        self.assertFalse(self.key.exists())

    def test_what_a_crash_left_is_shredded_by_the_same_command(self):
        """The entry is there, and the files still are: nothing opens them, and shredding goes on where it was cut off."""
        left = self.key.read_bytes(), self.sealed.read_bytes()
        self.assert_code(self.shred("--yes"), DONE)
        self.key.write_bytes(left[0])
        self.sealed.write_bytes(left[1])
        self.content(self.naming[0], INTEGRITY)
        self.assert_code(self.shred("--yes"), DONE)
        self.assertFalse(self.key.exists() or self.sealed.exists())
        self.sealed.write_bytes(left[1])
        self.assert_code(self.shred("--yes"), DONE)
        self.assertFalse(self.sealed.exists())
        self.assert_sound(self.home)

    def test_a_session_that_nobody_knows_is_said(self):
        for name in ("0" * 16, "../keys/roots", ""):
            run = self.home.call("audit", "shred", name, "--yes")
            self.assert_code(run, FAILED)


class Twin(Case):
    def test_the_same_request_twice_has_nothing_in_common(self):
        """The twin of what a plain digest tells: that two sessions did the same."""
        home = plain_home().copy(self.folder / "home")
        for number in range(2):
            home.run(letters(self.folder / str(number)), RENAME, unattended=())
        made = [commitment for entry in home.entries() if entry["kind"] in NAMING for commitment in set(named(entry))]
        self.assertEqual(len(made), 6)
        self.assertEqual(len(set(made)), 4, "an intent has its plan's, and nothing else is alike")
