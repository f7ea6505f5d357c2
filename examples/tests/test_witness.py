"""A witness on another machine, which has its key, its notes and the roots, and nothing else of Cloister: `cloister-verify witness`."""
import hashlib
import shutil
import subprocess
import unittest

from home import DONE, INTEGRITY, SOUND, TAMPERED, UNATTESTED, VERIFY, Case, Run, flip
from test_story import told

CANNOT_KEEP = 74


class Witness(Case):
    def setUp(self):
        super().setUp()
        home, self.invoices, *_ = told(attested=True)
        self.home = home.twin(self.folder / "home")
        self.roots = self.folder / "roots.json"
        shutil.copy(self.home.path / "keys/roots.json", self.roots)
        self.desk = self.folder / "desk"
        self.key = self.witness("new", self.desk, "--name", "office").out.strip()

    def witness(self, *args, code=DONE):
        command = [VERIFY, "witness", *map(str, args)]
        run = Run(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False))
        self.assert_code(run, code)
        return run

    def grow(self):
        self.home.run(self.invoices, "What is the weather?")

    def asked(self, home=None, *of):
        """What travels to the witness."""
        run = (home or self.home).call("audit", "proof", *(of or ("--for", "office")))
        self.assert_code(run, SOUND)
        file = self.folder / "proof.json"
        file.write_text(run.out, encoding="utf-8")
        return file

    def cosigned(self, proof, code=DONE):
        """What comes back."""
        run = self.witness("cosign", self.desk, proof, "--roots", self.roots, code=code)
        self.assertEqual(bool(run.out), code == DONE)
        note = self.folder / "note"
        if code == DONE:
            note.write_text(run.out, encoding="utf-8")
        return note

    def witnessed(self):
        """One trip there and back."""
        note = self.cosigned(self.asked())
        self.assert_code(self.home.call("audit", "cosigned", note, "--witness", self.key), DONE)
        return note

    def verify(self, code, *options, home=None):
        run = (home or self.home).verify("--json", "--witness", self.key, *options)
        self.assert_code(run, code)
        return run.doc.get("witnessed")

    def test_a_note_travels_back_and_the_verifier_counts_it(self):
        self.verify(UNATTESTED)
        self.witnessed()
        first = len(self.home.entries())
        (said,) = self.verify(SOUND)
        self.assertEqual((said["witness"], said["entries"]), (self.key, first))
        self.grow()
        (said,) = self.verify(SOUND)
        self.assertEqual(said["entries"], first)  # what came later is not witnessed yet
        self.witnessed()
        (said,) = self.verify(SOUND)
        self.assertEqual(said["entries"], len(self.home.entries()))
        self.assertEqual(self.witness("key", self.desk).out.strip(), self.key)
        self.assertEqual((self.desk / "witness.key").stat().st_mode & 0o777, 0o600)
        self.grow()  # a home goes on beside its notes
        self.assert_code(self.home.call("audit", "verify"), SOUND)

    def test_an_older_end_is_refused_by_witness_home_and_verifier(self):
        old = self.home.twin(self.folder / "old")
        before = self.asked()
        self.grow()
        note = self.witnessed()
        kept = {path.name: path.read_bytes() for path in (self.desk / "notes").iterdir()}
        self.cosigned(before, code=1)
        self.cosigned(self.asked(old), code=1)
        self.assertEqual(kept, {path.name: path.read_bytes() for path in (self.desk / "notes").iterdir()})
        self.assert_code(old.verify(), SOUND)  # nothing in it is wrong but its age
        self.verify(TAMPERED, "--cosigned", note, home=old)
        (at_the_witness,) = (self.desk / "notes").iterdir()
        self.verify(TAMPERED, "--cosigned", at_the_witness, home=old)
        self.assert_code(old.call("audit", "cosigned", note, "--witness", self.key), INTEGRITY)
        shutil.copy(self.home.ledger / self.notes()[-1], old.ledger)
        self.assert_code(old.run(self.invoices, "What is the weather?"), INTEGRITY)

    def notes(self, home=None):
        return sorted(path.name for path in (home or self.home).ledger.iterdir() if path.name.startswith("cosigned-"))

    def test_of_two_histories_one_is_cosigned(self):
        self.witnessed()
        other = self.home.twin(self.folder / "other")
        self.grow()
        other.run(self.invoices, "What is the weather?")
        self.assert_code(other.verify(), SOUND)
        note = self.witnessed()
        self.cosigned(self.asked(other), code=1)
        self.cosigned(self.asked(other, other.ledger / "checkpoint"), code=1)
        self.verify(TAMPERED, "--cosigned", note, home=other)
        run = self.home.call("audit", "compare", note, other.ledger)
        self.assert_code(run, INTEGRITY)
        self.assertIn("diverges", run.out)
        run = other.call("audit", "proof", note)
        self.assert_code(run, 1)
        self.assertIn("does not begin with it", run.err)

    def test_what_does_not_hold_is_not_cosigned(self):
        proof = self.asked()
        flip(proof, 500)
        self.cosigned(proof, code=TAMPERED)
        self.assertEqual(list((self.desk / "notes").iterdir()), [])
        first, *_ = (self.home.ledger / "entries.jsonl").read_bytes().splitlines()
        (self.desk / "notes" / (hashlib.sha256(b"\0" + first).hexdigest() + ".new")).mkdir()  # in the way of what would be kept
        self.cosigned(self.asked(), code=CANNOT_KEEP)

    def test_a_note_by_another_key_is_not_taken(self):
        note = self.cosigned(self.asked())
        self.assert_code(self.home.call("audit", "cosigned", note), INTEGRITY)
        other = self.witness("new", self.folder / "other", "--name", "office").out.strip()
        self.assert_code(self.home.call("audit", "cosigned", note, "--witness", other), INTEGRITY)
        self.assertEqual(self.notes(), [])
        self.witness("new", self.desk, "--name", "office", code=CANNOT_KEEP)  # a key is not written over
        self.assertEqual(self.witness("key", self.desk).out.strip(), self.key)


class Unattested(Case):
    def test_a_home_without_a_tpm_is_cosigned_on_a_word(self):
        home, *_ = told(attested=False)
        home = home.twin(self.folder / "home")
        desk, proof, roots = self.folder / "desk", self.folder / "proof.json", home.path / "keys/roots.json"
        call = lambda *args: Run(subprocess.run([VERIFY, "witness", *map(str, args)], capture_output=True, text=True, timeout=60, check=False))
        self.assert_code(call("new", desk, "--name", "office"), DONE)
        proof.write_text(home.call("audit", "proof", "--for", "office").out, encoding="utf-8")
        self.assert_code(call("cosign", desk, proof, "--roots", roots), UNATTESTED)
        run = call("cosign", desk, proof, "--roots", roots, "--unattested")
        self.assert_code(run, DONE)
        self.assertIn("not attested", run.err)


if __name__ == "__main__":
    unittest.main()
