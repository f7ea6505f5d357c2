"""A new policy: shown as what it decides otherwise, put in force by a person alone; and older signed documents, which do not come back."""
import json
import re
import shutil

from home import DONE, FAILED, INTEGRITY, PROJECT, REFUSED, RENAME, Case, letters, plain_home, snapshot

QUESTION = r"Put it in force\? \[y\]es, \[n\]o, \[l\]ist: "

LETTERS_STAY = """package cloister.call

verdict contains {
	"decision": "forbid",
	"rule": "letters.stay",
	"reason": "letters are not moved",
} if {
	input.manifest.agent == "letter-helper"
	some resource in input.call.resources
	resource.op == "move"
}
"""

CASE = """[[case]]
name = "a letter is not moved"
input = { request = { type = "call" }, manifest = { agent = "letter-helper" }, call = { resources = [{ op = "move", path = "/a", granted = true }] } }
expect = { decision = "forbid", rule = "letters.stay" }
"""


class Changed(Case):
    def setUp(self):
        super().setUp()
        self.home = plain_home().copy(self.folder / "home")
        self.bundle = self.folder / "bundle"
        shutil.copytree(self.home.path / "policies", self.bundle)

    def settings(self, **changes):
        place = self.bundle / "settings.json"
        settings = json.loads(place.read_text(encoding="utf-8"))
        for part, change in changes.items():
            settings[part] |= change
        place.write_text(json.dumps(settings), encoding="utf-8")

    def answered(self, key):
        with self.home.at_terminal(self.folder, "policy", "install", str(self.bundle)) as terminal:
            terminal.expect(QUESTION)
            terminal.press(key)
            return terminal.wait(), terminal.seen


class Install(Changed):
    def test_what_is_decided_otherwise_is_shown_with_both_rules_and_a_person_decides(self):
        work = letters(self.folder / "letters")
        self.assert_code(self.home.run(work, RENAME, unattended=()), REFUSED)  # it ran into quarantine, and the ledger knows
        (self.bundle / "letters.rego").write_text(LETTERS_STAY, encoding="utf-8")
        (self.bundle / "letters.cases.toml").write_text(CASE, encoding="utf-8")
        in_force = snapshot(self.home.path / "policies"), (self.home.path / "policies.lock").read_bytes()

        compared = self.home.call("--json", "policy", "compare", self.bundle)
        self.assert_code(compared, DONE)
        flips = {flip["about"]: (flip["before"]["rule"], flip["after"]["rule"]) for flip in compared.doc["flips"]}
        (past,) = [about for about in flips if about.startswith("a past call of letter-helper: files.rename (move ")]
        self.assertEqual(flips.pop(past), ("file.move.ask", "letters.stay"))
        self.assertEqual(flips.pop("letters.cases.toml: a letter is not moved"), ("file.move.ask", "letters.stay"))
        self.assertEqual(set(flips), {"letters.cases.toml: a letter is not moved, under the bundle's own settings"})

        nobody = self.home.call("policy", "install", self.bundle)
        self.assert_code(nobody, REFUSED)
        for key in ("n\r", "\x04"):
            code, seen = self.answered(key)
            self.assertEqual(code, REFUSED)
        self.assertIn("ask: it moves", seen)
        self.assertIn("forbid: letters are not moved (letters.stay)", seen)
        self.assertEqual((snapshot(self.home.path / "policies"), (self.home.path / "policies.lock").read_bytes()), in_force)

        code, seen = self.answered("y\r")
        self.assertEqual(code, DONE, seen)
        self.assertEqual(snapshot(self.home.path / "policies"), snapshot(self.bundle))
        refused = self.home.run(work, RENAME, unattended=())
        self.assert_code(refused, REFUSED)
        self.assertEqual(refused.doc["refused"][0]["rule"], "letters.stay")

    def test_settings_count_and_files_that_are_gone_go(self):
        self.settings(negotiate={"ttl_seconds": 3600})
        compared = self.home.call("--json", "policy", "compare", self.bundle)
        caps = [flip["after"].get("ttl_seconds") for flip in compared.doc["flips"]]
        self.assertIn(3600, caps)
        (self.home.path / "policies" / "old.md").write_text("not signed", encoding="utf-8")
        broken = self.home.call("--json", "policy", "compare", self.bundle)
        self.assert_code(broken, DONE)
        self.assertEqual(broken.doc["flips"], [])
        self.assertEqual(self.answered("y\r")[0], DONE)  # which is how a home whose policy does not hold is mended
        self.assertFalse((self.home.path / "policies" / "old.md").exists())

    def test_an_older_version_and_a_bundle_whose_cases_fail_are_not_installed(self):
        about = self.bundle / "bundle.toml"
        newer = re.sub(r"version = \d+", "version = 9", about.read_text(encoding="utf-8"))
        older = about.read_text(encoding="utf-8")
        about.write_text(newer, encoding="utf-8")
        self.assertEqual(self.answered("y\r")[0], DONE)
        about.write_text(older, encoding="utf-8")
        run = self.home.call("policy", "install", self.bundle)
        self.assert_code(run, REFUSED)
        self.assertIn("is older than version 9 in force", run.err)
        about.write_text(newer, encoding="utf-8")
        (self.bundle / "letters.rego").write_text(LETTERS_STAY, encoding="utf-8")
        (self.bundle / "letters.cases.toml").write_text(CASE.replace("letters.stay", "letters.go"), encoding="utf-8")
        self.assert_code(self.home.call("policy", "install", self.bundle), FAILED)


class Older(Changed):
    """What was signed once is not taken back into use."""

    def refused(self, name, *command):
        run = self.home.call(*command)
        self.assert_code(run, INTEGRITY)
        self.assertRegex(run.err, f"`{name}` is version [0-9]+, and this home has had version [0-9]+")

    def test_a_policy(self):
        old, lock = self.folder / "old", (self.home.path / "policies.lock").read_bytes()
        shutil.copytree(self.home.path / "policies", old)
        self.settings(unattended={"agents": []})
        self.assertEqual(self.answered("y\r")[0], DONE)
        work = letters(self.folder / "letters")
        shutil.rmtree(self.home.path / "policies")
        shutil.copytree(old, self.home.path / "policies")
        (self.home.path / "policies.lock").write_bytes(lock)
        self.refused("policies.lock", "run", "--manifest", work / "manifest.json", RENAME)
        self.assertEqual(snapshot(work), snapshot(letters(self.folder / "untouched")))
        (self.home.path / "seen.toml").unlink()  # the defence off: by signature alone it is as good as ever
        self.assert_code(self.home.call("--json", "plan", "--manifest", work / "manifest.json", RENAME), DONE)

    def test_a_pin_of_a_model_and_of_a_tool(self):
        for name, newer, opened in (
            ("models.lock", ("models", "default", "test-model"), ("models", "verify")),
            ("tools.lock", ("tools", "add", PROJECT / "none"), ("tools", "verify")),
        ):
            with self.subTest(name):
                lock = self.home.path / name
                old = lock.read_bytes()
                if name == "tools.lock":
                    newer = ("tools", "add", self.home.path / "tools" / "text")
                    shutil.copytree(newer[2], self.folder / "text")
                    newer = ("tools", "add", self.folder / "text")
                self.assert_code(self.home.call(*newer), DONE)
                self.assertNotEqual(lock.read_bytes(), old)
                lock.write_bytes(old)
                self.refused(name, *opened)
