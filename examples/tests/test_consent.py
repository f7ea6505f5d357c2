"""The one question: what answers it, what does not, and what becomes of things that nobody was asked about."""
import hashlib
import json
import re
import shutil
import time

from home import (BIN, DONE, FAILED, INTEGRITY, RENAME, REFUSED, REQUEST, Case, bundle, clean_env, invoices, letters, make_home,
                  plain_home, snapshot)
from terminal import END_OF_INPUT, Terminal

QUESTION = r"\[y\]es.*: "
ENTRY = r"q[0-9a-f]{10}"
SETTLED = 1.0  # seconds in which a program that took an answer would be done


def terms(effect):
    """The digest that the ledger keeps of one effect, made anew from its description; names and paths in it are plain."""
    change = effect["change"]
    moved = {"op": change["op"], "path": change["to"], "from": change["from"]}
    whole = {"from_ground": None} | effect | {"change": moved}
    return "sha256:" + hashlib.sha256(json.dumps([whole], sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Asked(Case):
    def setUp(self):
        super().setUp()
        self.home = plain_home().copy(self.folder / "home")
        self.work = letters(self.folder / "letters")
        self.before = snapshot(self.work)
        self.after = {name.replace("a.txt", "b.txt"): digest for name, digest in self.before.items()}

    def asked(self):
        return self.home.at_terminal(self.work, "run", "--manifest", "manifest.json", RENAME)

    def consent(self):
        return [entry["body"] for entry in self.home.entries() if entry["kind"] == "consent"]


class Question(Asked):
    def test_only_an_answer_to_the_question_releases(self):
        """What was typed too early, Enter and the two pages are no answers; `y` is: the twin of the refusals below."""
        with self.asked() as terminal:
            terminal.expect(r"model  ")
            terminal.press("y\r")
            terminal.expect(re.escape(f"  in {self.work.resolve()}") + r"\s+b\.txt  moved from ")
            terminal.expect(QUESTION)
            time.sleep(SETTLED)
            self.assert_untouched(self.work, self.before)
            terminal.press("\r")
            terminal.expect(QUESTION)
            terminal.press("d\r")
            terminal.expect(r"11 bytes, sha256:")
            terminal.expect(QUESTION)
            terminal.press("e\r")
            terminal.expect(r"Give the letters other names")
            terminal.expect(QUESTION)
            self.assert_untouched(self.work, self.before)
            terminal.press("y\r")
            self.assertEqual(terminal.wait(), DONE, terminal.seen)
        self.assertEqual(snapshot(self.work), self.after)
        self.assertEqual([c["by"] for c in self.consent()], ["person"])
        self.assert_sound(self.home)

    def refused_by(self, keys):
        with self.asked() as terminal:
            terminal.expect(QUESTION)
            terminal.press(keys)
            self.assertEqual(terminal.wait(), REFUSED, terminal.seen)
        self.assert_untouched(self.work, self.before)
        self.assertEqual([c["answer"] for c in self.consent()], ["decline"])
        self.assert_sound(self.home)

    def test_no_means_no(self):
        self.refused_by("n\r")

    def test_the_end_of_input_means_no(self):
        self.refused_by(END_OF_INPUT)


class Screens(Case):
    """The example's question on a small screen, for screen readers, without colour, and where nothing can be drawn."""

    def shown(self, **env):
        home = plain_home().copy(self.folder / f"home-{len(env)}-{env['TERM']}")
        work = invoices(self.folder / f"work-{len(env)}-{env['TERM']}")
        plain = {k: v for k, v in clean_env().items() if k not in ("ACCESSIBLE", "NO_COLOR", "TERM")}
        command = [str(BIN), "--home", str(home.path), "run", "--manifest", "manifest.json", REQUEST]
        with Terminal(command, work, plain | env, size=(24, 80)) as terminal:
            terminal.expect(QUESTION)
            terminal.press("n\r")
            self.assertEqual(terminal.wait(), REFUSED, terminal.seen)
        page = terminal.seen[terminal.seen.index("what would change: 1 created"):]
        page = page[:page.index("Release?")]
        self.assertLess(page.count("\n"), 24 - 2)
        self.assertLess(max(map(len, page.splitlines())), 80)
        self.assertIn("  unusual: 1 new folder: ", page)
        self.assertRegex(page, r"\neffects sha256:[0-9a-f]{64}\r?\n")
        self.assertNotIn("\x1b", page)
        return terminal.seen

    def test_a_screen_reader_gets_whole_lines_and_nothing_twice(self):
        seen = self.shown(ACCESSIBLE="1", TERM="xterm")
        self.assertNotRegex(seen, "\x1b|[\u2500-\u259f]")

    def test_a_terminal_that_draws_nothing_is_asked_to_draw_nothing(self):
        self.assertNotIn("\x1b", self.shown(TERM="dumb"))

    def test_no_colour_means_no_colour(self):
        self.assertNotRegex(self.shown(NO_COLOR="1", TERM="xterm"), r"\x1b\[[0-9;]*m")


class Undone(Asked):
    """A release that the person thinks better of."""

    def setUp(self):
        super().setUp()
        self.assertEqual(self.answered("y", "run", "--manifest", "manifest.json", RENAME), DONE)
        self.assertEqual(snapshot(self.work), self.after)
        self.session = self.home.entries()[-1]["session"]

    def answered(self, key, *command):
        with self.home.at_terminal(self.work, *command) as terminal:
            terminal.expect(QUESTION)
            terminal.press(key + "\r")
            return terminal.wait()

    def kept(self):
        return [folder.name.split("-")[1] for folder in (self.home.path / "kept").iterdir()]

    def test_it_is_put_back_after_the_question_and_can_be_put_forth_again(self):
        nobody = self.home.call("--json", "undo", self.session)
        self.assert_code(nobody, REFUSED)
        self.assertEqual(nobody.doc["consent"]["answer"], "unasked")
        self.assertEqual(nobody.doc["quarantined"], [])
        self.assertIn("stands as it was", nobody.doc["error"]["hint"])
        self.assertEqual(self.answered("n", "undo", self.session), REFUSED)
        self.assert_untouched(self.work, self.after)
        self.assertEqual(self.answered("y", "undo", self.session), DONE)
        self.assert_untouched(self.work, self.before)
        entries = self.home.entries()
        own = [entry for entry in entries if entry["session"] == entries[-1]["session"]]
        self.assertEqual([e["kind"] for e in own], ["session-start", "note", "effects", "consent", "release", "released", "session-end"])
        self.assertEqual(own[1]["body"], {"about": "undo", "text": f"of session {self.session}"})
        self.assertEqual(own[2]["body"]["changes"][0]["to"], str(self.work.resolve() / "a.txt"))
        self.assertEqual(self.kept(), [own[0]["session"]])
        self.assertEqual(self.answered("y", "undo", own[0]["session"]), DONE)
        self.assert_untouched(self.work, self.after)
        gone = self.home.call("undo", self.session)
        self.assert_code(gone, FAILED)
        self.assertIn(f"nothing is kept of session `{self.session}`", gone.err)
        self.assert_sound(self.home)

    def test_what_was_changed_since_is_named_and_nothing_is_put_back(self):
        (self.work / "b.txt").write_text("my own words", encoding="utf-8")
        before, entries = snapshot(self.work), self.home.entries()
        run = self.home.call("--json", "undo", self.session)
        self.assert_code(run, FAILED)
        self.assertEqual(run.doc["error"]["message"], "not as released any more: `b.txt`")
        self.assert_untouched(self.work, before)
        self.assertEqual(self.home.entries(), entries)

    def test_what_was_kept_is_what_the_ledger_says_was_released(self):
        (description,) = (self.home.path / "kept").glob("*/*/effect.json")
        effect = json.loads(description.read_text(encoding="utf-8"))
        effect["change"]["from"] = effect["change"]["from"].replace("a.txt", "c.txt")
        description.write_text(json.dumps(effect), encoding="utf-8")
        run = self.home.call("undo", self.session)
        self.assert_code(run, INTEGRITY)
        self.assertIn("is not what the ledger says was made", run.err)
        self.assert_untouched(self.work, self.after)

    def test_what_was_never_let_go_is_not_taken_back(self):
        self.home.run(letters(self.folder / "others"), RENAME, unattended=())  # nobody to ask: it waits in quarantine
        session = self.home.entries()[-1]["session"]
        (waiting,) = (self.home.path / "quarantine").glob("*/effect.json")
        shelf = self.home.path / "kept" / f"{int(time.time() * 1000)}-{session}"
        shutil.copytree(waiting.parent, shelf / waiting.parent.name)
        run = self.home.call("undo", session)
        self.assert_code(run, INTEGRITY)
        self.assertIn("is not what the ledger says was made", run.err)

    def test_what_is_kept_no_longer_is_missed(self):
        (kept,) = (self.home.path / "kept").glob("*/*/")
        shutil.rmtree(kept)
        run = self.home.call("undo", self.session)
        self.assert_code(run, INTEGRITY)
        self.assertIn("nothing is kept any more of", run.err)
        self.assert_untouched(self.work, self.after)
        (self.work / "b.txt").rename(self.work / "a.txt")  # as it was before: nothing is missing
        run = self.home.call("undo", self.session)
        self.assert_code(run, FAILED)
        self.assertIn("is as it was before", run.err)

    def test_it_is_kept_for_as_long_as_the_policy_says(self):
        (shelf,) = (self.home.path / "kept").iterdir()
        day, now = 24 * 3600 * 1000, int(time.time() * 1000)
        shelf = shelf.rename(shelf.with_name(f"{now - 6 * day}-{self.session}"))
        self.assert_code(self.home.call("undo", self.session), REFUSED)  # nobody to ask, but it is there still
        self.assertEqual(self.kept(), [self.session])
        shelf.rename(shelf.with_name(f"{now - 8 * day}-{self.session}"))
        gone = self.home.call("undo", self.session)
        self.assert_code(gone, FAILED)
        self.assertIn("kept for 7 days", gone.err)
        self.assertEqual(self.kept(), [self.session])  # no session began
        self.home.run(self.work, RENAME, unattended=())
        self.assertEqual(self.kept(), [])
        said = [e["body"]["text"] for e in self.home.entries() if e["kind"] == "note"]
        self.assertIn(f"what session {self.session} replaced is kept no longer", said)
        self.assert_sound(self.home)


class Waiting(Asked):
    """What a run without a terminal left behind."""

    def setUp(self):
        super().setUp()
        run = self.home.run(self.work, RENAME, unattended=())
        self.assert_code(run, REFUSED)
        self.assertEqual((run.doc["consent"]["by"], run.doc["consent"]["answer"]), ("nobody", "unasked"))
        self.assertEqual(run.doc["released"], [])
        self.assert_untouched(self.work, self.before)
        (waiting,) = run.doc["quarantined"]
        self.entry = waiting["id"]

    def listed(self):
        return [waiting["id"] for waiting in self.home.call("--json", "quarantine", "list").doc]

    def release(self, key):
        with self.home.at_terminal(self.work, "quarantine", "release", self.entry) as terminal:
            terminal.expect(QUESTION)
            self.assert_untouched(self.work, self.before)
            terminal.press(key + "\r")
            return terminal.wait()

    def test_a_release_that_fails_after_it_was_announced_is_accounted_for(self):
        """Something stands in the place by the time the person says yes: nothing changes, and the ledger says how it went."""
        with self.home.at_terminal(self.work, "quarantine", "release", self.entry) as terminal:
            terminal.expect(QUESTION)
            (self.work / "b.txt").write_text("somebody was here first", encoding="utf-8")
            before = snapshot(self.work)
            terminal.press("y\r")
            self.assertEqual(terminal.wait(), FAILED, terminal.seen)
        self.assert_untouched(self.work, before)
        self.assertEqual(self.listed(), [self.entry])
        *_, announced, said, end = self.home.entries()
        self.assertEqual([announced["kind"], said["kind"], end["kind"]], ["release", "interrupted", "session-end"])
        self.assertEqual(said["body"], {"stage": "release", "reason": "failed"})
        self.assert_sound(self.home)
        self.assertNotIn("never said how", self.home.verify().out)

    def test_a_refused_release_prints_one_document(self):
        run = self.home.call("--json", "quarantine", "release", self.entry)
        self.assert_code(run, REFUSED)
        doc = run.doc
        self.assertEqual((doc["consent"]["by"], doc["consent"]["answer"]), ("nobody", "unasked"))
        self.assertEqual((doc["released"], [q["id"] for q in doc["quarantined"]]), ([], [self.entry]))
        self.assertEqual((doc["error"]["exit"], doc["answer"]), (REFUSED, doc["error"]["message"]))
        self.assertEqual(doc["session"], self.home.entries()[-1]["session"])
        self.assertEqual(self.home.call("--json", "quarantine", "release", "q0123456789").doc["error"]["exit"], FAILED)

    def test_what_a_cut_off_call_left_is_discarded_without_a_change(self):
        (self.home.path / "quarantine" / self.entry / "effect.json").write_text("{", encoding="utf-8")
        self.assert_code(self.home.call("quarantine", "discard", self.entry), DONE)
        self.assertEqual([e["body"] for e in self.home.entries() if e["kind"] == "discard"], [{"id": self.entry}])
        self.assertEqual(list((self.home.path / "quarantine").iterdir()), [])
        self.assertRegex(self.home.must("audit", "show").out, f"about to throw away `{self.entry}`\n")
        self.assert_sound(self.home)

    def test_words_edited_in_quarantine_are_not_asked_about(self):
        """The place and the bytes are as recorded; what the question would show is not."""
        description = self.home.path / "quarantine" / self.entry / "effect.json"
        made = json.loads(description.read_text(encoding="utf-8"))
        entries = self.home.entries()
        for edit in ({"sources": ["b.xlsx"]}, {"name": str(self.work.resolve() / "b.txt")}, {"ground": "/"}, {"tool": "text.read"}):
            with self.subTest(edit):
                self.assertNotEqual(made | edit, made)
                description.write_text(json.dumps(made | edit), encoding="utf-8")
                run = self.home.call("quarantine", "release", self.entry)
                self.assert_code(run, INTEGRITY)
                self.assertIn(f"`{self.entry}` in quarantine is not what the ledger says was made", run.err)
        self.assertEqual(self.home.entries(), entries)
        self.assert_code(self.home.call("quarantine", "discard", self.entry), DONE)
        self.assertEqual([e["body"] for e in self.home.entries() if e["kind"] == "discard"], [{"id": self.entry}])

    def test_a_torn_line_is_not_believed(self):
        """Whoever edits the description can also write an entry that fits it, but not sign it; without its end it is no tampering."""
        description = self.home.path / "quarantine" / self.entry / "effect.json"
        effect = json.loads(description.read_text(encoding="utf-8"))
        ledger = self.home.ledger / "entries.jsonl"
        fits = next(line for line in ledger.read_text(encoding="utf-8").splitlines() if '"kind":"effects"' in line)
        (change,) = json.loads(fits)["body"]["changes"]
        self.assertEqual(change["terms"], terms(effect))
        path = json.dumps(effect["change"]["to"])
        self.assertIn(path, fits)
        effect["change"]["to"] = effect["change"]["to"].replace("b.txt", "c/b.txt")
        description.write_text(json.dumps(effect), encoding="utf-8")
        fits = fits.replace(path, json.dumps(effect["change"]["to"])).replace(change["terms"], terms(effect))
        with ledger.open("a", encoding="utf-8") as file:
            file.write(fits)
        run = self.home.call("quarantine", "release", self.entry)
        self.assert_code(run, INTEGRITY)
        self.assertIn("is not what the ledger says was made", run.err)

    def test_a_ledger_that_does_not_verify_is_not_believed(self):
        """Every signature in another home's ledger holds, and it says that this was made; but not under our admin."""
        policy = bundle(self.folder / "policy", undo={"days": 3})
        other = make_home(self.folder / "other", policy=policy)
        settings = [json.loads((place / "settings.json").read_text(encoding="utf-8")) for place in (other.path / "policies", policy)]
        self.assertEqual(*settings)
        self.assert_code(other.run(self.work, RENAME, unattended=()), REFUSED)
        (theirs,) = (other.path / "quarantine").iterdir()
        for part in ("ledger", "quarantine"):
            shutil.rmtree(self.home.path / part)
            shutil.copytree(other.path / part, self.home.path / part)
        for command in ("release", "discard"):
            run = self.home.call("--json", "quarantine", command, theirs.name)
            self.assert_code(run, INTEGRITY)
            self.assertIn("under another admin's key", run.doc["error"]["message"])
        self.assertEqual(self.listed(), [theirs.name])
        self.assertEqual(self.home.entries(), other.entries())
        self.assert_code(other.call("quarantine", "release", theirs.name), REFUSED)  # at home there is only nobody to ask

    def test_it_is_listed_and_shown_and_released_by_a_person_alone(self):
        self.assertEqual(self.listed(), [self.entry])
        self.assertRegex(self.home.must("quarantine", "list").out, ENTRY + r" +b\.txt")
        shown = self.home.must("quarantine", "diff", self.entry).out
        self.assertIn("b.txt", shown)
        self.assertIn("files.rename, its content unchanged", shown)
        self.assertIn(f"  {self.work.resolve() / 'b.txt'}\n", shown)
        refused = self.home.call("quarantine", "release", self.entry)
        self.assert_code(refused, REFUSED)
        self.assertIn("`release of b.txt` is refused: there was nobody to ask", refused.err)
        self.assertEqual(self.release("n"), REFUSED)
        self.assert_untouched(self.work, self.before)
        self.assertEqual(self.listed(), [self.entry])
        self.assertEqual(self.release("y"), DONE)
        self.assertEqual(snapshot(self.work), self.after)
        self.assertEqual(self.listed(), [])
        self.assert_sound(self.home)

        # A thing that waits can be thrown away, once, and then it is not there for anybody.
        (self.work / "b.txt").rename(self.work / "a.txt")
        self.assert_code(self.home.run(self.work, RENAME, unattended=()), REFUSED)
        (second,) = self.listed()
        thrown = self.home.call("--json", "quarantine", "discard", second)
        self.assert_code(thrown, DONE)
        self.assertEqual((thrown.doc["discarded"], thrown.doc["quarantined"]), (second, []))
        said, end = self.home.entries()[-2:]
        self.assertEqual((said["kind"], said["session"], end["body"]["outcome"]), ("discard", thrown.doc["session"], "done"))
        made = [entry["body"]["changes"] for entry in self.home.entries() if entry["kind"] == "effects"]
        self.assertEqual(said["body"], {"id": second, "change": made[-1][0]})
        self.assertEqual(self.listed(), [])
        for command in ("diff", "release", "discard"):
            gone = self.home.call("quarantine", command, second)
            self.assert_code(gone, 1)
            self.assert_clear(gone, second)
        self.assertEqual(self.home.entries()[-1], end)  # what is not there began no session
        self.assert_untouched(self.work, self.before)
        self.assert_sound(self.home)
