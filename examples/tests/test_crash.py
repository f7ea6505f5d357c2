"""Crash injection: at each system call by which a session touches the disk the system fails, or the process dies. Whatever happens, the ledger
verifies, no entry that was acknowledged is lost, nothing stands outside quarantine that no release in the ledger allows, and the next session works.

CLOISTER_CRASH=all (`make crash`) tries every instance of every call with every fault; otherwise a few of them, spread over the session.
"""
import collections
import json
import os
import re
import shutil
import unittest

import strace
from home import BIN, DONE, REFUSED, RENAME, UNATTESTED, Case, bundle, clean_env, install, letters, plain_home, snapshot

CALLS = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "openat")
FAULTS = ("error=EIO", "error=ENOSPC", "signal=KILL")
FEW = 12  # places of a session that `make test` tries, each with another fault than the one before
CALL = re.compile(r"^(\d+) +(\w+)\(", re.MULTILINE)


def places(log):
    """(call, number): each instance of each call, as strace counts them, by the thread that has most."""
    by_thread = collections.Counter(CALL.findall(log.read_text(errors="replace")))
    most = collections.Counter()
    for (_, call), count in by_thread.items():
        most[call] = max(most[call], count)
    return [(call, number) for call in CALLS for number in range(1, most[call] + 1)]


@unittest.skipUnless(strace.AVAILABLE, "strace is not installed")
class Crash(Case):
    def setUp(self):
        super().setUp()
        any_agent = bundle(self.folder / "policy", unattended={"agents": ["*"]})  # may run unattended: the move is released by its word
        self.shared = install(plain_home().copy(self.folder / "home"), any_agent)
        self.assert_code(self.shared.run(letters(self.folder / "letters"), RENAME), DONE)  # so that there are entries that could be lost
        self.session = self.shared.entries()[-1]["session"]
        self.log = self.folder / "log"

    def broken(self, number, *options):
        """(home, folder, the run) of a session that is traced with these options."""
        home = self.shared.copy(self.folder / f"home-{number}")
        work = letters(self.folder / f"letters-{number}")
        wrap = ["strace", "-f", "-qq", "-e", "trace=" + ",".join(CALLS), "-o", str(self.log), *options]
        return home, work, home.run(work, RENAME, wrap=wrap)

    def assert_held(self, home, work, run):
        lines, before = (folder.joinpath("entries.jsonl").read_bytes().splitlines() for folder in (home.ledger, self.shared.ledger))
        self.assertEqual(lines[:len(before)], before, "an entry is lost")
        self.assert_code(home.verify(), UNATTESTED)
        kinds = [kind["kind"] for kind in map(parsed, lines[len(before):]) if kind]
        stands = snapshot(work)
        if "release" not in kinds:
            self.assertEqual(stands, self.before)
        self.assertIn(stands, (self.before, self.after))
        if run.code == DONE:
            self.assertEqual((stands, kinds[-1]), (self.after, "session-end"))

    def assert_goes_on(self, home):
        """What was cut off is recorded, and the next session is like any other."""
        before = len(home.entries())
        self.assert_code(home.call("undo", self.session), REFUSED)  # nobody is there to ask
        self.assertIn("effects", [entry["kind"] for entry in home.entries()[before:]])
        self.assert_code(home.verify(), UNATTESTED)

    def test_wherever_the_system_fails_the_ledger_holds_and_nothing_is_lost(self):
        home, work, run = self.broken("whole")
        self.assert_code(run, DONE)
        self.before, self.after = snapshot(letters(self.folder / "fresh")), snapshot(work)
        tries = [(place, fault) for place in places(self.log) for fault in FAULTS]
        chosen = tries if os.environ.get("CLOISTER_CRASH") == "all" else tries[::max(1, len(tries) // FEW) | 1]
        ended = collections.Counter()
        for number, ((call, at), fault) in enumerate(chosen):
            with self.subTest(call=call, at=at, fault=fault):
                home, work, run = self.broken(number, "-e", f"inject={call}:{fault}:when={at}")
                ended["done" if run.code == DONE else "stopped"] += 1
                self.assert_held(home, work, run)
                self.assert_goes_on(home)
                for folder in (home.path, work):
                    shutil.rmtree(folder)
        print(f"{len(chosen)} of {len(tries)} faults: {dict(ended)}", end=" ")
        self.assertGreater(ended["stopped"], len(chosen) // 3, "the faults did not reach the session")


def parsed(line):
    """An entry; nothing for a torn one."""
    try:
        return json.loads(line)
    except ValueError:
        return None


if __name__ == "__main__":
    unittest.main()
