"""`cloister audit replay`: a session of long ago done again, and the first thing that differs."""
import functools
import json
import shutil
import struct
import unittest

import strace
from home import DONE, FAILED, INTEGRITY, RENAME, Case, invoices, letters, plain_home, set_policy, snapshot
from test_story import told


class Replay(Case):
    def setUp(self):
        super().setUp()
        home, self.invoices, *_ = told(attested=False)
        self.home = home.copy(self.folder / "home")
        self.session = self.home.entries()[-1]["session"]
        self.again = invoices(self.folder / "again")

    def replay(self, folder, session=None):
        return self.home.call("--json", "audit", "replay", session or self.session, "--manifest", folder / "manifest.json")

    def assert_differs(self, run, what):
        self.assert_code(run, INTEGRITY)
        self.assertIn(what, run.doc["error"]["message"])
        self.assert_sound(self.home)

    def test_a_session_comes_out_the_same_and_changes_nothing(self):
        before, first = snapshot(self.again), self.home.entries()
        left = self.home.path / "run/replay-0011223344556677/q1"  # by one that was killed
        left.mkdir(parents=True)
        run = self.home.call("audit", "replay", self.session, "--manifest", self.again / "manifest.json")
        self.assert_code(run, DONE)
        self.assertRegex(run.out, rf"^\d+ records of session {self.session} came out the same\n$")
        self.assert_untouched(self.again, before)
        self.assert_code(self.replay(self.invoices), DONE)  # where the report stands by now
        own = self.home.entries()[len(first):]
        effects = [e["body"]["changes"] for e in (*first, *own) if e["kind"] == "effects"]
        self.assertEqual(len({json.dumps([change["after"] for change in changes]) for changes in effects}), 1)
        self.assertEqual([change["op"] for (change,) in effects], ["create", "create", "replace"])
        self.assertNotIn("released", [entry["kind"] for entry in own])
        self.assertEqual(self.home.call("quarantine", "list").out, plain_home().call("quarantine", "list").out)
        self.assertEqual(list((self.home.path / "run").glob("replay*")), [])
        self.assert_sound(self.home)

    @unittest.skipUnless(strace.AVAILABLE, "strace is not installed")
    def test_tools_have_the_time_and_the_chance_of_then(self):
        log = self.folder / "strace"
        wrap = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=write,sendto,sendmsg", "-s", "4096", "-xx", "-o", str(log)]
        run = self.home.call("audit", "replay", self.session, "--manifest", self.again / "manifest.json", wrap=wrap)
        self.assert_code(run, DONE)
        seed = functools.reduce(lambda seed, byte: (seed * 31 + byte) % 2**64, self.session.encode(), 0)
        told = log.read_text(encoding="ascii").replace("\\x", "")
        times = [entry["ts"] for entry in self.home.entries() if entry["kind"] == "call-intent"]
        self.assertEqual(len(times), 4)
        self.assertEqual([struct.pack("<QQ", ts, seed).hex() in told for ts in times], [True, True, False, False])

    def test_other_inputs_are_noticed_where_they_are_read(self):
        names = sorted(self.again.glob("*.xlsx"))
        shutil.copy2(names[0], names[1])
        self.assert_differs(self.replay(self.again), "call $1 read other bytes")

    def test_what_the_session_stood_on_must_be_here(self):
        invoices(self.again, version="9.9")
        self.assert_differs(self.replay(self.again), "the manifest is not the one that the session had")
        set_policy(self.home, self.folder, undo={"days": 3})
        self.assert_differs(self.replay(invoices(self.again)), "the policy is not the one that the session had")

    def test_a_session_that_was_refused_is_refused_again(self):
        self.home.run(letters(self.folder / "letters"), "Delete a.txt", unattended=())
        session = self.home.entries()[-1]["session"]
        before = len(self.home.entries())
        self.assert_code(self.replay(self.folder / "letters", session), DONE)
        self.assertEqual(self.home.entries()[before]["kind"], "session-start")

    def test_a_session_that_planned_only_is_planned_again(self):
        work = letters(self.folder / "letters")
        self.assert_code(self.home.call("plan", "--manifest", work / "manifest.json", RENAME), DONE)
        planned = self.home.entries()[-1]["session"]
        self.assert_code(self.replay(work, planned), DONE)
        own = [entry["kind"] for entry in self.home.entries() if entry["session"] == self.home.entries()[-1]["session"]]
        self.assertIn("plan", own)
        self.assertNotIn("call-intent", own)

    def test_what_cannot_be_done_again_is_said(self):
        self.assert_code(self.replay(self.again, "ab" * 16), FAILED)
        self.home.run(letters(self.folder / "letters"), RENAME, unattended=())
        waiting = self.home.call("--json", "quarantine", "list").doc[0]["id"]
        self.assert_code(self.home.call("quarantine", "discard", waiting), DONE)
        discard = self.home.entries()[-1]["session"]
        run = self.replay(self.again, discard)
        self.assert_code(run, FAILED)
        self.assertIn("was asked for nothing", run.doc["error"]["message"])
