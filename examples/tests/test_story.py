"""The story of examples/invoices, told twice: with a TPM simulator and with no TPM. The two runs are shared by the tests below."""
import functools
import json
import random
import shutil
import subprocess
import unittest
from pathlib import Path

from home import (DONE, NO_PLAN, REPORT, SOUND, TAMPERED, UNATTESTED, Case, attested_home, flip, invoices, plain_home,
                  scratch, snapshot)
import check
import strace

SEED = 200_2026
CHANGES = 200


@functools.cache
def told(attested):
    """(home, folder, snapshot before, run, system calls or None) of one unattended run of the example's request."""
    name = "attested" if attested else "plain"
    shared = attested_home() if attested else plain_home()
    home = shared.twin(scratch() / f"{name}-story-home")  # its session raises the counter of a TPM of its own
    folder = invoices(scratch() / f"{name}-story")
    before = snapshot(folder)
    log = scratch() / f"{name}-story.strace"
    run = home.run(folder, wrap=strace.wrap(log) if strace.AVAILABLE else ())
    return home, folder, before, run, strace.calls(log) if strace.AVAILABLE else None


class Story(Case):
    def test_the_totals_are_those_of_an_independent_computation(self):
        _, folder, _, run, _ = told(attested=True)
        self.assert_code(run, DONE)
        self.assertEqual(check.faults(folder, show=lambda line: None), [])

    def test_only_the_report_is_new(self):
        _, folder, before, run, _ = told(attested=True)
        self.assert_code(run, DONE)
        after = snapshot(folder)
        self.assertEqual(after.keys() - before.keys(), {REPORT})
        self.assertEqual({name: after[name] for name in before}, before)

    def test_the_document_says_what_was_done(self):
        _, folder, _, run, _ = told(attested=True)
        self.assert_code(run, DONE)
        doc = run.doc
        self.assertTrue(doc["answer"])
        self.assertEqual(doc["attestation"], "tpm2-software")
        self.assertEqual(doc["consent"]["by"], "policy")
        (released,) = doc["released"]
        report = folder / REPORT
        self.assertEqual(released["path"], REPORT)
        self.assertEqual(released["bytes"], report.stat().st_size)
        self.assertEqual(released["sha256"].removeprefix("sha256:"), snapshot(folder)[REPORT])
        self.assertTrue(all(d["reason"] and d["rule"] for d in doc["decisions"]))
        self.assertEqual(doc["refused"], [])

    def test_without_a_tpm_the_session_says_none(self):
        home, _, _, run, _ = told(attested=False)
        self.assert_code(run, DONE)
        self.assertEqual(run.doc["attestation"], "none")
        self.assert_code(home.verify(), UNATTESTED)

    @unittest.skipUnless(shutil.which("soffice"), "LibreOffice is not installed: that it opens the report is NOT tested")
    def test_the_report_opens_in_libreoffice(self):
        _, folder, _, run, _ = told(attested=True)
        self.assert_code(run, DONE)
        subprocess.run(["soffice", f"-env:UserInstallation=file://{self.folder}/profile", "--headless", "--convert-to", "csv",
                        "--outdir", str(self.folder), str(folder / REPORT)], check=True, capture_output=True, timeout=120)
        said = (self.folder / "q4-summary.csv").read_text(encoding="utf-8").replace(",", "")
        wanted = check.expected(folder)
        for month in check.QUARTER:
            self.assertIn(f"{wanted[month]:.2f}".rstrip("0").rstrip("."), said)


@unittest.skipUnless(strace.AVAILABLE, "strace is not installed")
class Sockets(Case):
    def test_without_a_tpm_there_is_no_socket_at_all(self):
        _, _, _, run, calls = told(attested=False)
        self.assert_code(run, DONE)
        self.assertTrue(calls, "the trace saw nothing of the cage's line: this test would pass without a trace")
        self.assertEqual(strace.outward(calls), [])

    def test_with_the_simulator_only_it_is_spoken_to(self):
        home, _, _, run, calls = told(attested=True)
        self.assert_code(run, DONE)
        port = int(home.tcti.rpartition("=")[2])
        # The simulator's library looks its host up with getaddrinfo, which asks the kernel (netlink) for local addresses.
        self.assertLessEqual(strace.families(calls), {"AF_INET", "AF_INET6", "AF_NETLINK"})
        self.assertLessEqual(strace.peers(calls), {("127.0.0.1", port), ("127.0.0.1", port + 1)})
        self.assertTrue(strace.peers(calls), "the trace saw nothing: this test would pass without a trace")


class Ledger(Case):
    def setUp(self):
        super().setUp()
        home, _, _, run, _ = told(attested=True)
        self.assert_code(run, DONE)
        self.home = home.copy(self.folder / "home")

    def test_unchanged_it_is_sound(self):
        self.assert_code(self.home.verify(), SOUND)

    def test_any_changed_byte_is_noticed(self):
        files = sorted(p for p in self.home.ledger.rglob("*") if p.is_file() and p.stat().st_size)
        places = [(path, offset) for path in files for offset in range(path.stat().st_size)]
        rng = random.Random(SEED)
        # Each file has its share however small it is; the rest fall anywhere.
        chosen = [(path, rng.randrange(path.stat().st_size)) for path in files for _ in range(5)]
        chosen = (chosen + rng.choices(places, k=CHANGES))[:max(CHANGES, len(chosen))]
        unnoticed = []
        for path, offset in chosen:
            change = rng.randint(1, 255)
            flip(path, offset, change)
            run = self.home.verify()
            flip(path, offset, change)
            if run.code in (SOUND, UNATTESTED) or "panicked" in run.err:
                unnoticed.append(f"{path.name} byte {offset} xor {change}: exit code {run.code}")
        self.assertEqual(unnoticed, [], f"of {len(chosen)}")
        self.assert_code(self.home.verify(), SOUND)  # all changes were taken back

    def test_a_changed_entry_is_named(self):
        entries = self.home.ledger / "entries.jsonl"
        second = entries.read_bytes().index(b"\n") + 20
        flip(entries, second)
        run = self.home.verify()
        self.assert_code(run, TAMPERED)
        self.assertIn("entries.jsonl", run.out + run.err)

    def test_a_removed_last_entry_is_reported(self):
        entries = self.home.ledger / "entries.jsonl"
        lines = entries.read_bytes().splitlines(keepends=True)
        entries.write_bytes(b"".join(lines[:-1]))
        self.assert_code(self.home.verify(), TAMPERED, UNATTESTED)

    def test_a_removed_end_with_its_checkpoint_is_reported(self):
        entries = self.home.ledger / "entries.jsonl"
        lines = entries.read_bytes().splitlines(keepends=True)
        entries.write_bytes(b"".join(lines[:-1]))
        (self.home.ledger / "checkpoint").unlink()
        self.assert_code(self.home.verify(), TAMPERED, UNATTESTED)

    def test_what_was_read_is_named_by_its_digest(self):
        _, folder, before, *_ = told(attested=True)
        outcomes = [entry["body"] for entry in self.home.entries() if entry["kind"] == "call-outcome"]
        self.assertTrue(outcomes)
        for outcome in outcomes:
            found = {Path(file["path"]).relative_to(folder).as_posix(): file for file in outcome["read"]}
            self.assertTrue(found)
            self.assertEqual({name: file["sha256"].removeprefix("sha256:") for name, file in found.items()}, {name: before[name] for name in found})
            self.assertEqual({name: file["bytes"] for name, file in found.items()}, {name: (folder / name).stat().st_size for name in found})

    def test_the_rule_that_let_it_run_unattended_is_named(self):
        said = (self.home.ledger / "entries.jsonl").read_text(encoding="utf-8")
        self.assertIn("unattended", said)
        self.assertTrue(all(json.loads(line) for line in said.splitlines()))


class Requests(Case):
    def test_what_no_tool_can_do_is_refused_with_the_missing_capability(self):
        folder = invoices(self.folder / "invoices")
        before = snapshot(folder)
        run = plain_home().copy(self.folder / "home").run(folder, "Send the October invoices to accounting@example.com by e-mail.")
        self.assert_code(run, NO_PLAN)
        self.assertTrue(run.doc["answer"])
        self.assertEqual(run.doc["released"], [])
        self.assert_untouched(folder, before)

    def test_a_question_that_needs_no_tool_is_answered(self):
        folder = invoices(self.folder / "invoices")
        before = snapshot(folder)
        run = plain_home().copy(self.folder / "home").run(folder, "What does the abbreviation VAT stand for?")
        self.assert_code(run, DONE)
        self.assertTrue(run.doc["answer"])
        self.assert_untouched(folder, before)


if __name__ == "__main__":
    unittest.main()
