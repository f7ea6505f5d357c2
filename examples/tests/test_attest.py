"""The TPM's counter, which a session raises as it begins and ends: what is cut off or put back is seen against it."""
import functools
import json
import shutil
import subprocess
import unittest

from home import DONE, INTEGRITY, RENAME, REFUSED, SOUND, TAMPERED, UNATTESTED, Case, Tpm, attested_home, letters, scratch, snapshot
from test_checker import CHECK, other, ours
from test_consent import QUESTION

CHALLENGE = "c0ffee"


@functools.cache
def enrolled():
    """(home, the TPM's state) of a device with one session, at whose end b.txt was released. Tests take copies of both."""
    home = attested_home().twin(scratch() / "device")
    with home.at_terminal(letters(scratch() / "device-letters"), "run", "--manifest", "manifest.json", RENAME) as terminal:
        terminal.expect(QUESTION)
        terminal.press("y\r")
        assert terminal.wait() == DONE, terminal.seen
    home.tpm.turn_off()
    return home, home.tpm.state


class Device(Case):
    def setUp(self):
        super().setUp()
        home, state = enrolled()
        self.tpm = Tpm(state)
        self.addCleanup(self.tpm.stop)
        self.home = home.copy(self.folder / "home")
        self.home.tpm = self.tpm
        self.roots = self.home.path / "keys/roots.json"

    def short_session(self, home=None):
        """The quickest session: an undo of the first one, about which nobody is there to ask."""
        home = home or self.home
        return home.call("undo", enrolled()[0].entries()[0]["session"])

    def answer(self):
        """What the device answers to the challenge now."""
        answer = self.folder / "answer.json"
        self.home.must("attest", "evidence", "--challenge", CHALLENGE, "--out", answer)
        return answer

    def judged(self, answer, home=None, challenge=CHALLENGE):
        """The verdict on a home's ledger beside an answer; of both verifiers."""
        home = home or self.home
        options = "--challenge", challenge, "--evidence", answer
        self.assertEqual(other(home.ledger, self.roots, challenge, answer.read_bytes()), ours(home.ledger, self.roots, *options))
        return home.verify(*options)

    def asked(self, *of, **how):
        return self.judged(self.answer(), *of, **how)

    def values(self):
        """What each anchor says of the counter."""
        return [int(entry["body"]["attest"][-16:], 16) for entry in self.home.entries() if entry["kind"] == "anchor"]

    def assert_in_a_row(self):
        values = self.values()
        self.assertEqual(values, list(range(values[0], values[0] + len(values))))


class Anchored(Device):
    def test_each_session_is_anchored_at_its_start_before_a_release_and_at_its_end(self):
        self.assert_code(self.short_session(), REFUSED)
        entries = self.home.entries()
        kinds = [entry["kind"] for entry in entries]
        starts = [at for at, kind in enumerate(kinds) if kind == "session-start"]
        ends = [at for at, kind in enumerate(kinds) if kind == "session-end"]
        self.assertEqual([len(starts), len(ends)], [2, 2])
        self.assertEqual([at for at, kind in enumerate(kinds) if kind == "anchor"],
                         [starts[0] + 1, kinds.index("release") - 1, ends[0] - 1, starts[1] + 1, ends[1] - 1])
        self.assert_in_a_row()
        self.assert_code(self.home.verify(), SOUND)
        self.assertEqual(other(self.home.ledger, self.roots), ours(self.home.ledger, self.roots))

    def test_the_devices_answer_shows_the_newest_ledger(self):
        self.assert_code(self.asked(), SOUND)
        self.assert_code(self.asked(challenge="decade"), TAMPERED)
        self.assert_code(self.home.verify("--challenge", CHALLENGE), UNATTESTED)

    def test_a_session_that_was_killed_costs_nothing(self):
        work = letters(self.folder / "letters")
        with self.home.at_terminal(work, "run", "--manifest", "manifest.json", RENAME) as terminal:
            terminal.expect(QUESTION)  # and there it is killed
        self.assert_code(self.short_session(), REFUSED)
        last = [entry["kind"] for entry in self.home.entries() if entry["session"] == self.home.entries()[-1]["session"]]
        self.assertEqual(last[:3], ["session-start", "recovery", "anchor"])
        self.assert_in_a_row()
        self.assert_code(self.asked(), SOUND)

    def test_a_tpm_that_is_lost_ends_the_session_before_anything_is_released(self):
        work = letters(self.folder / "letters")
        before = snapshot(work)
        with self.home.at_terminal(work, "run", "--manifest", "manifest.json", RENAME) as terminal:
            terminal.expect(QUESTION)
            self.tpm.turn_off()
            terminal.press("y\r")
            self.assertEqual(terminal.wait(), INTEGRITY, terminal.seen)
        self.assert_untouched(work, before)
        self.assertEqual(self.home.entries()[-1]["kind"], "session-end")
        self.tpm.turn_on()
        self.assert_code(self.short_session(), REFUSED)
        self.assert_in_a_row()
        run = self.asked()
        self.assert_code(run, UNATTESTED)
        self.assertIn("not anchored throughout", run.out)

    def test_a_home_enrolled_without_a_counter_goes_on_and_can_be_given_one(self):
        roots = json.loads(self.roots.read_text(encoding="utf-8"))
        index = roots["keys"][0].pop("counter")
        shutil.rmtree(self.home.ledger)
        self.home.ledger.mkdir()
        self.roots.write_text(json.dumps(roots), encoding="utf-8")
        self.assert_code(self.home.run(letters(self.folder / "one"), RENAME, unattended=()), REFUSED)
        self.assertEqual(self.values(), [])
        self.assert_code(self.home.verify(), SOUND)
        self.home.must("attest", "enroll")
        self.assertNotEqual(json.loads(self.roots.read_text(encoding="utf-8"))["keys"][0]["counter"], index)
        self.assert_code(self.home.run(letters(self.folder / "two"), RENAME, unattended=()), REFUSED)
        self.assertEqual(len(self.values()), 2)
        self.assert_code(self.asked(), SOUND)


class PutBack(Device):
    def test_an_old_disk_is_refused_and_shown_by_a_challenge(self):
        old = self.home.copy(self.folder / "old")
        self.assert_code(self.short_session(), REFUSED)
        before = snapshot(old.ledger)
        self.assert_code(old.verify(), SOUND)  # nothing in it is wrong but its age
        run = self.asked(old)
        self.assert_code(run, TAMPERED)
        self.assertIn(f"entry {len(old.entries())}", run.out)
        refused = self.short_session(old)
        self.assert_code(refused, INTEGRITY)
        self.assertIn("not the newest", refused.err)
        self.assertEqual(snapshot(old.ledger), before, "the ledger that was put back was written to")
        self.assert_code(self.asked(), SOUND)

    def test_whatever_was_cut_off_the_end_is_not_sound_and_past_an_anchor_it_is_tampering(self):
        self.assert_code(self.short_session(), REFUSED)
        answer = self.answer()
        entries = self.home.ledger / "entries.jsonl"
        lines = entries.read_bytes().splitlines(keepends=True)
        kinds = [json.loads(line)["kind"] for line in lines]
        (self.home.ledger / "checkpoint").unlink()  # whoever cuts takes it away
        codes = []
        for length in range(len(lines)):
            entries.write_bytes(b"".join(lines[:length]))
            anchors, cut = kinds[:length].count("anchor"), kinds[length:].count("anchor")
            # In a session without an end one anchor may have been lost in a crash.
            crash = length > 0 and kinds[length - 1] != "session-end"
            expected = TAMPERED if anchors and cut > crash else UNATTESTED
            run = self.judged(answer)
            self.assertEqual(run.code, expected, f"cut to {length}: {run}")
            codes.append(run.code)
        self.assertGreater(codes.count(TAMPERED), len(lines) // 2)
        entries.write_bytes(b"".join(lines[:kinds.index("anchor") + 2]))
        self.assert_code(self.short_session(), INTEGRITY)


def sized(data):
    """A TPM2B: its length, big-endian, and the bytes."""
    return len(data).to_bytes(2, "big") + data


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


@unittest.skipUnless(shutil.which("tpm2_checkquote"), "tpm2-tools is not installed")
class OtherTools(Device):
    """What a session's quote is worth to a verifier that is none of ours: tpm2-tools, of the TPM's own community."""

    def quote(self):
        """The first session's quote as files and options of tpm2_checkquote: key, message, signature, nonce, values of the PCRs."""
        body = self.home.entries()[0]["body"]
        quote = body["evidence"]["quote"]
        ak, attest, signature = (bytes.fromhex(quote[name]) for name in ("ak", "attest", "sig"))
        return {
            "ak": sized(ak),
            "message": attest,
            "signature": bytes.fromhex("0018000b") + sized(signature[:32]) + sized(signature[32:]),
            "nonce": CHECK.sha256(b"session-binding/v1\0", CHECK.canonical(body["statement"])),
            "pcrs": b"".join(bytes.fromhex(pcr["sha256"].removeprefix("sha256:")) for pcr in quote["pcrs"]),
            "list": "sha256:" + ",".join(str(pcr["index"]) for pcr in quote["pcrs"]),
        }

    def accepted(self, quote):
        for name in ("ak", "message", "signature", "pcrs"):
            (self.folder / name).write_bytes(quote[name])
        names = ["-u", "ak", "-m", "message", "-s", "signature", "-f", "pcrs", "-F", "values", "-l", quote["list"], "-g", "sha256", "-q", quote["nonce"].hex()]
        return subprocess.run(["tpm2_checkquote", *names], cwd=self.folder, capture_output=True, check=False).returncode == 0

    def test_tpm2_checkquote_agrees_on_a_session_and_on_what_was_changed_in_it(self):
        quote = self.quote()
        self.assertTrue(self.accepted(quote))
        for name in ("message", "signature", "nonce", "pcrs"):
            with self.subTest(name):
                self.assertFalse(self.accepted({**quote, name: flipped(quote[name])}))


if __name__ == "__main__":
    unittest.main()
