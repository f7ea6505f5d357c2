"""The commands around a run: the ledger checked and told, tools and policies looked into, the doctor's lines."""
import json
import shutil

from home import (BIN, DONE, FAILED, INTEGRITY, PROJECT, SOUND, TAMPERED, UNATTESTED, Case, flip, letters, plain_home)
from test_story import told

NO_ROOTS = 3
CALL = {"tool": "text.count", "args": [{"name": "files", "value": [], "label": {"integrity": "policy", "sources": []}}]}


class Audit(Case):
    """`cloister audit verify` says what `cloister-verify` says."""

    def home_of(self, attested):
        home, _, _, run, _ = told(attested=attested)
        self.assert_code(run, DONE)
        return home.copy(self.folder / "home")

    def assert_verdict(self, home, code):
        run = home.call("--json", "audit", "verify")
        self.assert_code(run, code)
        self.assertTrue(run.doc)
        self.assert_code(home.verify(), code)
        return home.call("audit", "verify").out

    def test_an_attested_ledger_is_sound(self):
        self.assertIn("sound", self.assert_verdict(self.home_of(attested=True), SOUND))

    def test_without_a_tpm_it_is_not_attested(self):
        self.assertIn("not attested", self.assert_verdict(self.home_of(attested=False), UNATTESTED))

    def test_a_changed_entry_is_named(self):
        home = self.home_of(attested=True)
        entries = home.ledger / "entries.jsonl"
        flip(entries, entries.read_bytes().index(b"\n") + 20)
        self.assertIn("entries.jsonl", self.assert_verdict(home, TAMPERED))

    def test_without_roots_nothing_is_believed(self):
        home = self.home_of(attested=True)
        (home.path / "keys/roots.json").unlink()
        self.assert_code(home.call("audit", "verify"), NO_ROOTS)
        self.assert_code(home.verify(), NO_ROOTS)

    def test_the_story_is_told_in_its_order(self):
        home = self.home_of(attested=True)
        story = home.must("audit", "show").out
        at = [story.index(said) for said in ("begins", "asked: ", "planned ", "is about to run", "would change", "released ", "session ends: done")]
        self.assertEqual(at, sorted(at))
        self.assertEqual(home.must("--json", "audit", "show").doc, home.entries())


class Tools(Case):
    def test_a_component_is_inspected_without_a_run(self):
        said = plain_home().must("--json", "tools", "inspect", BIN.parent / "tools/text/tool.wasm").doc
        self.assertEqual(said["name"], "text")
        self.assertTrue(said["functions"])

    def test_a_component_that_does_not_compile_is_not_vouched_for(self):
        tool = self.folder / "text"
        shutil.copytree(BIN.parent / "tools/text", tool)
        (tool / "tool.wasm").write_bytes(b"\0asm no component")
        run = plain_home().call("tools", "inspect", tool / "tool.wasm")
        self.assert_code(run, INTEGRITY)
        self.assert_clear(run, "text")
        self.assertNotIn("cannot", run.out)

    def test_the_pinned_tools_are_verified(self):
        self.assertTrue(plain_home().must("--json", "tools", "verify").doc["verified"])


class Policy(Case):
    RULES = PROJECT / "policies/rules"

    def test_the_shipped_bundle_compiles_and_its_cases_pass(self):
        checked = plain_home().must("--json", "policy", "check", self.RULES).doc
        tested = plain_home().must("--json", "policy", "test", self.RULES).doc
        self.assertEqual(checked["cases"], tested["passed"])
        self.assertGreater(tested["passed"], 0)

    def test_a_case_that_fails_is_an_error(self):
        rules = self.folder / "rules"
        shutil.copytree(self.RULES, rules)
        (rules / "call.rego").write_text((rules / "call.rego").read_text(encoding="utf-8").replace("permit", "forbid"), encoding="utf-8")
        for command in ("check", "test"):
            run = plain_home().call("policy", command, rules)
            self.assert_code(run, FAILED)
            self.assert_clear(run, "call")

    def test_a_decision_is_explained(self):
        work = letters(self.folder / "letters")
        decided = {}
        for name in ("a.txt", "/outside.txt"):
            call = self.folder / "call.json"
            call.write_text(json.dumps(CALL | {"resources": [{"op": "read", "path": name, "parameter": "files"}]}), encoding="utf-8")
            run = plain_home().must("--json", "policy", "explain", "--manifest", work / "manifest.json", call)
            self.assertTrue(run.doc["explanation"]["reason"])
            decided[name] = run.doc["explanation"]["decision"]
        self.assertEqual(decided, {"a.txt": "permit", "/outside.txt": "forbid"})


class Doctor(Case):
    def test_each_line_says_what_to_do_if_it_is_not_good(self):
        run = plain_home().must("--json", "doctor")
        checks = run.doc["checks"]
        self.assertLessEqual({"cpu", "memory", "model", "policy", "tools", "tpm", "sandbox", "network", "clock"}, checks.keys())
        for name, check in checks.items():
            self.assertTrue(check["summary"], name)
            self.assertEqual(check["status"] != "ok", bool(check["remediation"]), name)
        self.assertEqual(checks["tpm"]["status"], "absent")

    def test_a_missing_model_is_named_and_is_a_failure(self):
        home = plain_home().copy(self.folder / "home")
        next(p for p in (home.path / "models").rglob("*") if p.is_file()).unlink()
        run = home.call("doctor")
        self.assert_code(run, FAILED)
        self.assertRegex(run.out, r"missing +model")
