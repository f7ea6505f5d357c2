"""What must not run, does not: each with its exit code, a sentence that names the culprit, and nothing released."""
import hashlib
import json

from home import DONE, INTEGRITY, MODEL, REFUSED, Case, Tpm, attested_home, flip, invoices, make_home, plain_home, snapshot, tpm_wanted


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
        self.assertEqual(run.doc["plan"], None)
        self.assert_nothing_happened(home)

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
        tpm = Tpm()
        home = make_home(self.folder / "home", tpm.tcti, tpm_wanted(self.folder / "policy"))
        tpm.stop()
        run = home.run(self.work)
        self.assert_code(run, REFUSED, INTEGRITY)
        self.assertEqual(run.doc["attestation"], "none")
        self.assert_nothing_happened(home)

    def test_another_tpm_is_not_taken_for_the_enrolled_one(self):
        home = attested_home().copy(self.folder / "home")
        home.tcti = Tpm().tcti
        run = home.run(self.work)
        if run.code == DONE:  # the policy lets a session without attestation run: then it must say so
            self.assertEqual(run.doc["attestation"], "none")
        else:
            self.assert_code(run, REFUSED, INTEGRITY)
        self.assertNotEqual(home.verify().code, 0, json.dumps(run.doc))
