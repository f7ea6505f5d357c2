"""Grants and answers that end: used up, taken back while a session runs, remembered for a while and forgotten."""
import json
import shutil
import time

from home import (DONE, FAILED, REFUSED, RENAME, Case, bundle, install, invoices, letters, plain_home, snapshot)

QUESTION = r"Release\? \[y\]es.*: "
REPLACE = "Replace alpha with omega in a.txt and save it as reports/b.txt"
WRITTEN = "reports/b.txt"


def granted(folder, **bounds):
    """The example's invoices, reading them bounded."""
    folder = invoices(folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["capabilities"][0] |= bounds
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def bodies(home, kind):
    return [entry["body"] for entry in home.entries() if entry["kind"] == kind]


class Bounded(Case):
    def test_a_plan_that_would_use_more_than_is_granted_runs_not_at_all(self):
        """Reading twelve workbooks twice, to see what they hold and to sum it up, is two uses."""
        home = plain_home().copy(self.folder / "home")
        work = granted(self.folder / "once", max_uses=1)
        before = snapshot(work)
        run = home.run(work)
        self.assert_code(run, REFUSED)
        self.assertEqual(run.doc["refused"][-1]["rule"], "builtin.uses")
        self.assertIn("file:read was granted for 1 call of a session", run.doc["error"]["message"])
        self.assertEqual(bodies(home, "call-intent"), [])
        self.assert_untouched(work, before)
        self.assert_code(home.run(granted(self.folder / "twice", max_uses=2, ttl_seconds=1800)), DONE)
        self.assert_sound(home)


class Revoked(Case):
    def setUp(self):
        super().setUp()
        self.home = plain_home().copy(self.folder / "home")

    def session(self):
        return self.home.call("--json", "consent", "list").doc["session"]

    def assert_revoked(self, stage):
        """The ledger says that nothing was released, and why."""
        self.assertEqual(bodies(self.home, "interrupted"), [{"stage": stage, "reason": "revoked"}])
        self.assertEqual(bodies(self.home, "session-end")[-1]["outcome"], "revoked")
        self.assertEqual(bodies(self.home, "release"), [])
        self.assert_sound(self.home)
        self.assertIsNone(self.session())

    def test_while_the_question_waits(self):
        work = letters(self.folder / "letters")
        before = snapshot(work)
        with self.home.at_terminal(work, "run", "--manifest", "manifest.json", RENAME) as terminal:
            terminal.expect(QUESTION)
            running = self.session()
            other = self.home.call("consent", "revoke", "0123456789abcdef")
            self.assert_code(other, FAILED)
            self.assert_clear(other, "0123456789abcdef")
            self.assert_code(self.home.call("consent", "revoke", running), DONE)
            self.assertEqual(terminal.wait(), REFUSED, terminal.seen)
        self.assertIn("the grants of this session were revoked", terminal.seen)
        self.assert_untouched(work, before)
        self.assertEqual(bodies(self.home, "consent"), [])
        self.assert_revoked("consent")

    def looking(self, *revoke):
        """A table that takes some seconds to look at, what is taken back meanwhile, and how the look ended."""
        work = granted(self.folder / "work", paths=["*.csv"])
        rows = (f"2025-{n % 12 + 1:02}-01,{n % 97}.50,shop {n % 7}\n" for n in range(250_000))
        (work / "big.csv").write_text("date,amount,shop\n" + "".join(rows), encoding="utf-8")
        request = "Create a summary of the amount by shop from big.csv and save it as reports/s.xlsx"
        with self.home.at_terminal(work, "run", "--manifest", "manifest.json", request) as terminal:
            terminal.expect(r"plan +`sheet")
            end = time.monotonic() + 120
            while not bodies(self.home, "call-intent") and time.monotonic() < end:
                time.sleep(0.05)
            for capability in revoke:
                self.assertEqual(bodies(self.home, "call-outcome"), [], "it was over before it could be revoked")
                self.assert_code(self.home.call("consent", "revoke", self.session(), *capability), DONE)
            self.assertEqual(terminal.wait(), REFUSED, terminal.seen)
        (outcome,) = bodies(self.home, "call-outcome")
        return outcome

    def test_while_a_tool_runs(self):
        outcome = self.looking([])
        self.assertEqual(outcome["outcome"], "revoked")
        self.assertEqual(bodies(self.home, "effects"), [])
        self.assertEqual(list((self.home.path / "quarantine").iterdir()), [])
        self.assert_revoked("tool")


    def granted(self):
        return self.home.call("--json", "consent", "list").doc["granted"]

    def taken_back(self):
        return [said["what"] for said in bodies(self.home, "refusal") if said["rule"] == "builtin.revoked"]

    def test_one_capability_that_no_call_used(self):
        work = letters(self.folder / "letters")
        with self.home.at_terminal(work, "run", "--manifest", "manifest.json", RENAME) as terminal:
            terminal.expect(QUESTION)
            running = self.session()
            letter = str(work.resolve() / "*.txt")
            everything = {"file:read": [letter], "file:move": [letter], "tool:use": ["*"], "model:use": ["*"]}
            self.assertEqual(self.granted(), everything)
            for named in (("0123456789abcdef", "file:read"), (running, "file:delete"), (running, "../file:read")):
                wrong = self.home.call("consent", "revoke", *named)
                self.assert_code(wrong, FAILED)
                self.assert_clear(wrong, named[0] if named[0] != running else named[1])
            self.assert_code(self.home.call("consent", "revoke", running, "file:read"), DONE)
            self.assertEqual(self.granted().keys(), everything.keys() - {"file:read"})
            self.assert_code(self.home.call("consent", "revoke", running, "file:read"), FAILED)
            terminal.press("y\r")
            self.assertEqual(terminal.wait(), DONE, terminal.seen)
        self.assertTrue((work / "b.txt").is_file())
        self.assertEqual(self.taken_back(), ["file:read"])
        self.assertEqual(bodies(self.home, "session-end")[-1]["outcome"], "done")
        self.assert_sound(self.home)
        # The next session has what the manifest asks for, and nothing is said of one that has ended.
        self.assert_code(self.home.call("consent", "revoke", running, "file:move"), FAILED)
        self.assertIsNone(self.granted())

    def test_one_capability_that_the_release_needs(self):
        work = letters(self.folder / "letters")
        before = snapshot(work)
        with self.home.at_terminal(work, "run", "--manifest", "manifest.json", RENAME) as terminal:
            terminal.expect(QUESTION)
            self.assert_code(self.home.call("consent", "revoke", self.session(), "file:move"), DONE)
            self.assertEqual(terminal.wait(), REFUSED, terminal.seen)
        self.assertIn("file:move was granted to this session and was revoked", terminal.seen)
        self.assert_untouched(work, before)
        self.assertEqual(bodies(self.home, "consent"), [])
        self.assertEqual(self.taken_back(), ["file:move"])
        self.assertEqual(len(list((self.home.path / "quarantine").iterdir())), 1)
        self.assert_revoked("consent")

    def test_what_was_made_from_what_may_no_longer_be_read_is_not_released(self):
        """The report is written by a capability that stands; what is in it was read by one that was taken back."""
        work = letters(self.folder / "letters")
        path = work / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        manifest["capabilities"][1] = {"name": "file:write", "paths": ["reports"], "description": "Write the answers"}
        path.write_text(json.dumps(manifest), encoding="utf-8")
        (work / "reports").mkdir()
        before = snapshot(work)
        with self.home.at_terminal(work, "run", "--manifest", "manifest.json", REPLACE) as terminal:
            terminal.expect(QUESTION)
            self.assert_code(self.home.call("consent", "revoke", self.session(), "file:read"), DONE)
            self.assertEqual(terminal.wait(), REFUSED, terminal.seen)
        self.assertIn("file:read was granted to this session and was revoked", terminal.seen)
        self.assert_untouched(work, before)
        self.assertEqual(self.taken_back(), ["file:read"])
        self.assertEqual(len(list((self.home.path / "quarantine").iterdir())), 1)
        self.assert_revoked("consent")

    def test_one_path_that_the_release_was_made_of(self):
        work = letters(self.folder / "letters")
        before = snapshot(work)
        with self.home.at_terminal(work, "run", "--manifest", "manifest.json", RENAME) as terminal:
            terminal.expect(QUESTION)
            running, taken = self.session(), str(work.resolve() / "a.txt")
            elsewhere = str(self.folder / "a.txt")
            for capability, path, culprit in (("file:move", elsewhere, elsewhere), ("tool:use", "*", "*"), ("file:write", taken, "file:write")):
                wrong = self.home.call("consent", "revoke", running, capability, path)
                self.assert_code(wrong, FAILED)
                self.assert_clear(wrong, culprit)
            self.assert_code(self.home.call("consent", "revoke", running, "file:move", "a.txt", cwd=work), DONE)
            self.assert_code(self.home.call("consent", "revoke", running, "file:move", taken), FAILED)
            self.assertEqual(terminal.wait(), REFUSED, terminal.seen)
        self.assertIn(f"file:move {taken} was granted to this session and was revoked", " ".join(terminal.seen.split()))
        self.assert_untouched(work, before)
        self.assertEqual(self.taken_back(), [f"file:move {taken}"])
        self.assertEqual(len(list((self.home.path / "quarantine").iterdir())), 1)
        self.assert_revoked("consent")

    def test_paths_that_no_call_touched(self):
        work = letters(self.folder / "letters")
        with self.home.at_terminal(work, "run", "--manifest", "manifest.json", RENAME) as terminal:
            terminal.expect(QUESTION)
            running, everything, letter = self.session(), self.granted(), str(work.resolve() / "*.txt")
            others = [str(work.resolve() / "c.txt"), letter]
            self.assert_code(self.home.call("consent", "revoke", running, "file:move", others[0]), DONE)
            self.assert_code(self.home.call("consent", "revoke", running, "file:read", letter), DONE)
            listed = self.home.call("--json", "consent", "list").doc
            self.assertEqual(listed["granted"], everything | {"file:read": []})
            self.assertEqual(listed["taken_back"], {"file:move": others[:1], "file:read": others[1:]})
            terminal.press("y\r")
            self.assertEqual(terminal.wait(), DONE, terminal.seen)
        self.assertTrue((work / "b.txt").is_file())
        self.assertEqual(self.taken_back(), [f"file:move {others[0]}", f"file:read {others[1]}"])
        self.assert_sound(self.home)

    def test_one_path_that_a_running_call_holds(self):
        outcome = self.looking(["file:read", self.folder.resolve() / "work/big.csv"])
        self.assertEqual(outcome["outcome"], "revoked")
        self.assertEqual(list((self.home.path / "quarantine").iterdir()), [])
        self.assert_revoked("tool")

    def test_one_path_that_the_next_call_touches(self):
        outcome = self.looking(["file:write", self.folder.resolve() / "work/reports"])
        self.assertEqual(outcome["outcome"], "returned")
        self.assertEqual(len(bodies(self.home, "call-intent")), 1)
        self.assert_revoked("tool")

    def test_one_capability_that_a_running_call_needs(self):
        outcome = self.looking(["file:write"], ["file:read"])
        self.assertEqual(outcome["outcome"], "revoked")
        self.assertEqual(self.taken_back(), ["file:read", "file:write"])
        self.assertEqual(list((self.home.path / "quarantine").iterdir()), [])
        self.assert_revoked("tool")

    def test_one_capability_that_the_next_call_needs(self):
        """The look at the table goes on to its end; what would write the summary does not begin."""
        outcome = self.looking(["file:write"])
        self.assertEqual(outcome["outcome"], "returned")
        self.assertEqual(len(bodies(self.home, "call-intent")), 1)
        self.assertEqual(self.taken_back(), ["file:write"])
        self.assertEqual(list((self.home.path / "quarantine").iterdir()), [])
        self.assert_revoked("tool")


class Remembered(Case):
    def setUp(self):
        super().setUp()
        remembering = bundle(self.folder / "policy", consent={"remember_days": 7})  # answers about new files, for a week
        self.home = install(plain_home().copy(self.folder / "home"), remembering)
        self.work = letters(self.folder / "letters")
        path = self.work / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        manifest["capabilities"][1] = {"name": "file:write", "paths": ["reports"], "description": "Write the answers"}
        path.write_text(json.dumps(manifest), encoding="utf-8")
        (self.work / "reports").mkdir()

    def asked(self, *answers):
        """What the terminal showed; nothing was asked where no answer is given."""
        with self.home.at_terminal(self.work, "run", "--manifest", "manifest.json", REPLACE) as terminal:
            for answer in answers:
                terminal.expect(QUESTION)
                terminal.press(answer + "\r")
            code = terminal.wait(300)
        self.assertEqual(code, REFUSED if "n" in answers else DONE, terminal.seen)
        if not answers:
            self.assertNotRegex(terminal.seen, QUESTION)
        return terminal.seen

    def again(self):
        (self.work / WRITTEN).unlink()

    def answered(self):
        said = bodies(self.home, "consent")[-1]
        return said["by"], said["answer"], said.get("rule")

    def listed(self):
        return self.home.call("--json", "consent", "list").doc["remembered"]

    def test_what_was_answered_for_longer_is_not_asked_again_until_it_is_revoked(self):
        # A letter shows what would be remembered; the word says it.
        shown = self.asked("r", "remember")
        self.assertIn("For 7 days `letter-helper` may make new files in", shown)
        self.assertEqual(self.answered(), ("person", "allow", None))
        (kept,) = self.listed()
        self.assertEqual((kept["agent"], kept["folders"]), ("letter-helper", [str(self.work.resolve() / "reports")]))
        self.assertEqual((self.home.path / "consent").stat().st_mode & 0o777, 0o700)

        self.again()
        self.assertIn(f"answered as {kept['id']}", self.asked())
        self.assertEqual(self.answered(), ("remembered", "allow", kept["id"]))
        self.assertTrue((self.work / WRITTEN).is_file())

        # A file that stands there would be replaced: that is another question.
        self.assertNotIn("[r]emember", self.asked("n"))
        self.assertEqual(self.answered(), ("person", "decline", None))

        # Where nobody sits, nothing was answered.
        self.again()
        alone = self.home.run(self.work, REPLACE, unattended=())
        self.assert_code(alone, REFUSED)
        self.assertEqual(self.answered(), ("nobody", "unasked", None))

        # Another manifest is another agent, whatever it is called.
        manifest = self.work / "manifest.json"
        text = manifest.read_text(encoding="utf-8")
        manifest.write_text(text + "\n", encoding="utf-8")
        file = self.home.path / "consent" / f"{kept['id']}.json"
        saved = file.read_bytes()
        # While a session runs the ledger cannot be told; the file is gone at once, and a second try tells the ledger too.
        with self.home.at_terminal(self.work, "run", "--manifest", "manifest.json", REPLACE) as terminal:
            terminal.expect(QUESTION)
            self.assert_code(self.home.call("consent", "revoke", kept["id"]), FAILED)
            self.assertFalse(file.exists())
            terminal.press("n\r")
            self.assertEqual(terminal.wait(300), REFUSED, terminal.seen)
        manifest.write_text(text, encoding="utf-8")

        self.assert_code(self.home.call("consent", "revoke", kept["id"]), DONE)
        self.assertEqual(bodies(self.home, "note")[-1], {"about": "consent", "text": f"revoke {kept['id']}"})
        self.assertEqual(self.listed(), [])
        self.assert_code(self.home.call("consent", "revoke", kept["id"]), FAILED)
        self.asked("n")
        # Whoever brings the file back does not bring the answer back.
        file.write_bytes(saved)
        file.chmod(0o600)
        self.asked("n")
        self.assert_sound(self.home)

    def test_an_answer_that_nobody_gave_is_none(self):
        """A file in the right form, with the right name, that the ledger knows nothing of."""
        # Typed in full it shows the page first, as the letter does.
        shown = self.asked("remember", "remember")
        self.assertIn("For 7 days `letter-helper` may make new files in", shown)
        (kept,) = self.listed()
        shutil.rmtree(self.home.ledger)
        self.again()
        self.asked("n")
        self.assertEqual([one["id"] for one in self.listed()], [kept["id"]])

    def test_the_shipped_policy_offers_nothing(self):
        self.home = plain_home().copy(self.folder / "other")
        self.assertNotIn("[r]emember", self.asked("remember", "n"))
        self.assertEqual(self.listed(), [])
