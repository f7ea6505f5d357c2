"""What a request may not or cannot have: the exit code that says so, one document with --json, nothing changed, nothing run."""
import json
import zipfile

import openpyxl

from home import DONE, FAILED, NO_PLAN, REFUSED, RENAME, Case, invoices, letters, plain_home, snapshot

KEYS = {"session", "answer", "plan", "decisions", "consent", "released", "quarantined", "refused", "attestation", "timing_ms", "tokens"}
CELLS = 60_000_000  # a sheet that says so much is larger unpacked than any limit of the cage; packed it is small


class Told(Case):
    def setUp(self):
        super().setUp()
        self.home = plain_home().copy(self.folder / "home")
        self.work = letters(self.folder / "letters")
        self.before = snapshot(self.work)

    def ends(self, prompt, code, *args):
        """Run it, or what `args` say; the document, which is there however it ended."""
        run = self.home.call("--json", *(args or ("run",)), "--manifest", "manifest.json", prompt, cwd=self.work)
        self.assert_code(run, code)
        self.assertLessEqual(KEYS, run.doc.keys())
        self.assertTrue(run.doc["answer"])
        self.assertEqual(run.doc["released"], [])
        self.assert_untouched(self.work, self.before)
        return run.doc

    def kinds(self):
        return [entry["kind"] for entry in self.home.entries()]


class Refused(Told):
    def test_outside_the_grants_it_is_refused_alike_whether_it_exists_or_not(self):
        here = self.folder / "secret.txt"
        here.write_text("not yours\n", encoding="utf-8")
        said = [self.ends(f"How many lines does {path} have?", REFUSED)["answer"].replace(str(path), "PATH")
                for path in (here, self.folder / "nobody.txt")]
        self.assertEqual(*said)
        self.assertIn("PATH", said[0])
        self.assertNotIn("call-intent", self.kinds())
        self.assert_sound(self.home)


class NotPossible(Told):
    def test_a_missing_file_an_email_and_a_deletion(self):
        for prompt, named in (("How many lines does nothere.txt have?", "nothere.txt"),
                              ("Send a.txt by e-mail to bob@example.com", "bob@example.com"),
                              ("Delete a.txt", "file:delete")):
            with self.subTest(prompt):
                self.assertIn(named, self.ends(prompt, NO_PLAN)["answer"])
        self.assertNotIn("call-intent", self.kinds())
        self.assert_sound(self.home)

    def test_a_request_longer_than_the_context_is_refused_before_any_of_it_is_read(self):
        # A token a digit: Linux takes no argument of more than 128 KiB.
        doc = self.ends("What is meant by this? " + "7" * 40_000, FAILED)
        self.assertRegex(doc["answer"], r"^the model's process says: prompt of \d{5} tokens does not fit context of 32768")
        # What is said to the model before every request may have been read, for the next run too.
        self.assertLess(doc["tokens"]["prompt"], 2_000)
        self.assert_sound(self.home)


class InWords(Told):
    def test_an_answer_without_a_tool_says_that_no_file_was_read(self):
        manifest = self.work / "manifest.json"
        said = json.loads(manifest.read_text(encoding="utf-8")) | {"capabilities": []}  # with nothing granted no tool is offered
        manifest.write_text(json.dumps(said), encoding="utf-8")
        self.before = snapshot(self.work)
        doc = self.ends("What is a pivot table?", DONE)
        self.assertEqual(doc["answer_from"], "model")
        self.assertIn("no file was read", doc["answer"])
        self.assertEqual(doc["read"], [])


class Documents(Told):
    def setUp(self):
        super().setUp()
        manifest = self.work / "manifest.json"
        said = json.loads(manifest.read_text(encoding="utf-8")) | {"capabilities": [{"name": "file:read", "paths": ["*.rtf"]}]}
        manifest.write_text(json.dumps(said), encoding="utf-8")
        (self.work / "lease.rtf").write_text(r"{\rtf1\ansi{\fonttbl{\f0 Arial;}}Lease\par Due date: 2025-03-25\page Signed}", encoding="ascii")
        self.before = snapshot(self.work)

    def test_a_date_is_taken_out_of_a_document(self):
        doc = self.ends("When is the rent due in lease.rtf?", DONE)
        self.assertIn("2025-03-25", doc["answer"])
        self.assertTrue(doc["plan"]["steps"][0]["tool"].startswith("document."), doc["plan"])
        self.assert_sound(self.home)

    def test_what_cannot_be_read_is_said_of_its_file(self):
        (self.work / "lease.rtf").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
        self.before = snapshot(self.work)
        self.assertIn("`lease.rtf` is of the old binary Word format", self.ends("When is the rent due in lease.rtf?", FAILED)["answer"])
        self.assert_sound(self.home)


class Plan(Told):
    def test_it_says_what_would_be_done_and_runs_nothing(self):
        doc = self.ends(RENAME, DONE, "plan")
        (step,) = doc["plan"]["steps"]
        self.assertEqual((step["tool"], step["args"]), ("files.rename", {"file": "a.txt", "to": "b.txt"}))
        (decision,) = doc["decisions"]
        self.assertEqual(decision["decision"], "ask")
        self.assertTrue(decision["rule"] and decision["reason"])
        self.assertIn("plan", self.kinds())
        self.assertNotIn("call-intent", self.kinds())
        self.assertEqual(doc["quarantined"], [])


def bomb(path):
    """A workbook whose one sheet unpacks to far more than it weighs."""
    openpyxl.Workbook().save(path)
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    start, _, end = parts[sheet].decode().partition("<sheetData/>") if b"<sheetData/>" in parts[sheet] else parts[sheet].decode().partition(
        "<sheetData></sheetData>")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, body in parts.items():
            if name != sheet:
                book.writestr(name, body)
        with book.open(sheet, "w", force_zip64=True) as out:
            out.write((start + "<sheetData>").encode())
            row = b"<row><c><v>1</v></c><c><v>2</v></c></row>" * 10_000
            for _ in range(CELLS // 20_000):
                out.write(row)
            out.write(("</sheetData>" + end).encode())


class Limits(Case):
    def test_a_tool_that_hits_a_limit_ends_there_and_the_ledger_says_so(self):
        home = plain_home().copy(self.folder / "home")
        work = invoices(self.folder / "invoices")
        bomb(work / "invoices-2025-10.xlsx")
        before = snapshot(work)
        run = home.run(work)
        self.assert_code(run, FAILED)
        outcomes = [entry["body"]["outcome"] for entry in home.entries() if entry["kind"] == "call-outcome"]
        self.assertTrue(outcomes and outcomes[-1] != "returned", outcomes)
        self.assertEqual(json.loads(run.out)["released"], [])
        self.assert_untouched(work, before)
        self.assert_sound(home)
