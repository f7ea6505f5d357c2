"""What must not run, does not: each with its exit code, a sentence that names the culprit, and nothing released."""
import hashlib
import json
import shutil
import subprocess
import unittest

from home import (AGENT, DONE, INTEGRITY, MODEL, NO_PLAN, REFUSED, REPORT, Case, Tpm, attested_home, bundle, flip, install, invoices,
                  plain_home, snapshot)


class Refusal(Case):
    def setUp(self):
        super().setUp()
        self.work = invoices(self.folder / "invoices")
        self.before = snapshot(self.work)

    def plain(self):
        return plain_home().copy(self.folder / "home")

    def assert_nothing_happened(self, home):
        self.assert_untouched(self.work, self.before)
        self.assert_sound(home)


class Pins(Refusal):
    def test_a_changed_model_is_not_loaded(self):
        home = self.plain()
        model = home.model()
        flip(model, model.stat().st_size // 2)
        run = home.run(self.work)
        self.assert_code(run, INTEGRITY)
        self.assert_clear(run, "test-model")
        self.assertIn("has BLAKE3", run.out + run.err)
        self.assertEqual(run.doc["plan"], None)
        self.assert_nothing_happened(home)
        verified = home.call("models", "verify")
        self.assert_code(verified, INTEGRITY)
        self.assertIn("has SHA-256", verified.out + verified.err)

    def test_a_pin_names_the_file_by_both_digests(self):
        """A start asks for the one, the ledger names the other; `verify` computes both."""
        home = self.plain()
        self.assertRegex((home.path / "models.lock").read_text(encoding="utf-8"), r'(?m)^blake3 = "[0-9a-f]{64}"$')
        self.assertIn(hashlib.sha256(MODEL.read_bytes()).hexdigest(), home.must("models", "verify").out)

    def test_a_benchmark_takes_nothing_from_another_file(self):
        home = self.plain()
        home.model().write_bytes(b"GGML, not the pinned file")
        run = home.call("bench", "-p", "8", "-n", "0", "-r", "1")
        self.assert_code(run, INTEGRITY)
        self.assert_clear(run, "models.lock")

    def test_a_changed_pin_is_not_believed(self):
        """The pin of another model, written by somebody without the admin's key."""
        home = self.plain()
        lock = home.path / "models.lock"
        ours = hashlib.sha256(MODEL.read_bytes()).hexdigest()
        said = lock.read_text(encoding="utf-8")
        self.assertIn(ours, said)
        lock.write_text(said.replace(ours, hashlib.sha256(b"another model").hexdigest()), encoding="utf-8")
        run = home.run(self.work)
        self.assert_code(run, INTEGRITY)
        self.assert_clear(run, "models.lock")
        self.assert_nothing_happened(home)

    def test_changed_code_is_not_run(self):
        """What a tool was compiled to lies beside it; without it the tool is compiled, and everything else is as ever."""
        home = self.plain()
        code = home.path / "tools/sheet/tool.cwasm"
        sound = code.read_bytes()
        flip(code, len(sound) // 2)
        run = home.run(self.work)
        self.assert_code(run, INTEGRITY)
        self.assert_clear(run, "tool.cwasm")
        self.assert_nothing_happened(home)
        code.unlink()
        self.assert_code(home.run(self.work), DONE)

    def test_a_changed_tool_is_not_run(self):
        home = self.plain()
        component = next((home.path / "tools").rglob("sheet/**/tool.wasm"))
        flip(component, component.stat().st_size // 2)
        run = home.run(self.work)
        self.assert_code(run, INTEGRITY)
        self.assert_clear(run, "sheet")
        self.assert_nothing_happened(home)


class Grants(Refusal):
    def test_an_expired_grant_releases_nothing(self):
        """Its twin is the story itself: the same run with an hour to live (test_story.py)."""
        home = self.plain()
        short = invoices(self.folder / "short", ttl_seconds=1)  # planning alone takes longer
        before = snapshot(short)
        run = home.run(short)
        self.assert_code(run, REFUSED)
        self.assertIn("expire", run.out + run.err)
        self.assert_untouched(short, before)
        self.assert_sound(home)

    def test_an_agent_that_may_not_run_unattended_does_not(self):
        home = self.plain()
        other = invoices(self.folder / "other", agent="some-other-helper")
        before = snapshot(other)
        run = home.run(other)
        self.assert_code(run, REFUSED)
        self.assertIn("unattended", run.doc["answer"])
        self.assertTrue(run.doc["refused"], run.doc)
        self.assert_untouched(other, before)
        self.assert_sound(home)


class MissingTpm(Refusal):
    def test_a_policy_that_wants_a_tpm_runs_nothing_without_one(self):
        tpm_wanted = bundle(self.folder / "policy", attestation={"allow_none": False}, unattended={"agents": [AGENT]})
        home = install(attested_home().twin(self.folder / "home"), tpm_wanted)
        home.tpm.stop()
        run = home.run(self.work)
        self.assert_code(run, REFUSED, INTEGRITY)
        self.assertEqual(run.doc["attestation"], "none")
        self.assert_nothing_happened(home)

    def test_another_tpm_is_not_taken_for_the_enrolled_one(self):
        home = attested_home().copy(self.folder / "home")
        home.tpm = Tpm()
        run = home.run(self.work)
        if run.code == DONE:  # the policy lets a session without attestation run: then it must say so
            self.assertEqual(run.doc["attestation"], "none")
        else:
            self.assert_code(run, REFUSED, INTEGRITY)
        self.assertNotEqual(home.verify().code, 0, json.dumps(run.doc))


class Replacing(Refusal):
    """A file in the writable folder, and nobody at the terminal."""

    ORDER = f"Replace {REPORT} with the total amount by region of invoices-2025-01.xlsx"

    def setUp(self):
        super().setUp()
        report = self.work / REPORT
        report.parent.mkdir(exist_ok=True)
        report.write_bytes(b"somebody's work")
        self.before = snapshot(self.work)

    def test_a_question_about_a_file_does_not_replace_it(self):
        home = self.plain()
        for question in (f"How many rows does {REPORT} have?", "What is the total revenue in reports/other.xlsx?",
                         f"Is {REPORT} correct about the total amount of Q4?"):
            with self.subTest(question):
                run = home.run(self.work, question)
                self.assert_code(run, NO_PLAN)
                self.assertIn("file:read", run.err)
                self.assert_nothing_happened(home)

    def test_no_rule_alone_replaces_a_file(self):
        home = self.plain()
        run = home.run(self.work, self.ORDER)
        self.assert_code(run, REFUSED)
        self.assertIn("unattended.replace", run.err)
        self.assertEqual([waiting["path"] for waiting in run.doc["quarantined"]], [REPORT])
        self.assertEqual((run.doc["consent"]["by"], run.doc["consent"]["answer"]), ("nobody", "unasked"))
        self.assert_nothing_happened(home)

    def test_it_does_where_the_signed_settings_say_so(self):
        """The twin of the refusal above."""
        policy = bundle(self.folder / "policy", unattended={"agents": [AGENT], "replace": True})
        home = install(plain_home().copy(self.folder / "home"), policy)
        run = home.run(self.work, self.ORDER)
        self.assert_code(run, DONE)
        self.assertEqual([file["path"] for file in run.doc["released"]], [REPORT])
        self.assert_sound(home)


def may_mount():
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0


@unittest.skipUnless(shutil.which("unshare") and may_mount(), "no mount namespace may be made here")
class SecondMount(Refusal):
    def test_the_home_is_not_granted_through_a_second_mount(self):
        home = self.plain()
        alias = self.work / "reports"
        alias.mkdir()
        for inside in ("", "keys", "ledger"):
            with self.subTest(inside):
                mounted = ("unshare", "-rm", "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh", str(home.path / inside), str(alias))
                run = home.run(self.work, wrap=mounted)
                self.assertNotEqual(run.code, DONE, str(run))
                self.assert_clear(run, "reports")
                self.assertEqual(run.doc["plan"], None)
        self.assert_nothing_happened(home)
