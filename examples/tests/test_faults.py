"""The world is unkind: broken models, broken workbooks, full disks, little memory, ^C. A clear error, a sound ledger, nothing half-written."""
import json
import os
import subprocess
import unittest

from home import (BIN, DONE, FAILED, INTEGRITY, MODEL, REFUSED, REPORT, REQUEST, Case, clean_env, invoices, letters, plain_home,
                  snapshot)
from terminal import INTERRUPT

PAGE = 4096
# What a terminal shows when a stage has begun: the words of the progress bars, then finished lines. The last one is the question itself.
STAGES = {"load": r"loading", "plan": r"planning", "tool": r"plan +`sheet", "consent": r"\[y\]es"}
INTERRUPTED = 130
# Some 5000 tokens, ten seconds to read.
LONG = "What is meant by this? " + "The sea is wide and the sky is blue, and nobody knows how far it is to the other side. " * 240
# The longest answer that is given, five seconds to write.
STORY = "Tell me a long story about the sea, with all that happened from the first day to the last."


class Broken(Case):
    def test_a_truncated_model_is_refused_with_a_reason(self):
        cut = self.folder / "cut.gguf"
        with MODEL.open("rb") as whole, cut.open("wb") as out:
            out.write(whole.read(MODEL.stat().st_size // 2))
        home = plain_home().copy(self.folder / "home")
        home.must("models", "remove", "test-model")
        run = home.call("models", "import", cut, "--name", "cut")
        if run.code == DONE:  # pinned as it is: then loading must say what is wrong with it
            run = home.run(invoices(self.folder / "invoices"))
        self.assert_code(run, FAILED, INTEGRITY)
        self.assert_clear(run, ".weight")  # the first tensor that is not all there
        self.assert_sound(home)

    def test_a_workbook_that_is_not_one_is_named(self):
        home = plain_home().copy(self.folder / "home")
        work = invoices(self.folder / "invoices")
        for path in work.glob("*.xlsx"):
            path.write_bytes(b"Dear customer, this is not a workbook.\n")
        before = snapshot(work)
        run = home.run(work)
        self.assert_code(run, FAILED)
        self.assertRegex(run.err, r"`invoices-2025-\d\d\.xlsx`")
        self.assert_untouched(work, before)
        self.assert_sound(home)


def mounted(test, folder, size):
    """Put a file system of `size` bytes on a folder until the test ends; skip where that is not allowed."""
    if os.geteuid() != 0:
        test.skipTest("only root can mount a small file system")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        test.skipTest(f"cannot mount here: {done.stderr.strip()}")
    test.addCleanup(subprocess.run, ["umount", str(folder)], check=True)


def leave_free(folder, free):
    """Fill the file system that holds a folder but for `free` bytes."""
    room = os.statvfs(folder)
    (folder / "filler").write_bytes(bytes(room.f_bavail * room.f_bsize - free))


class FullDisk(Case):
    def setUp(self):
        super().setUp()
        self.home = plain_home().copy(self.folder / "home")
        self.work = self.folder / "invoices"
        self.work.mkdir()

    def assert_failed_cleanly(self, before):
        run = self.home.run(self.work)
        self.assert_code(run, FAILED)
        self.assertRegex(run.err, r"(?i)no space|full|could not be written|cannot write")
        self.assertEqual(run.doc["released"], [])
        self.assert_untouched(self.work, before)
        self.assert_sound(self.home)

    def test_where_the_release_goes(self):
        mounted(self, self.work, 2 << 20)
        invoices(self.work)
        (self.work / "reports").mkdir()
        leave_free(self.work, PAGE)  # a workbook with a chart is larger than that
        self.assert_failed_cleanly(snapshot(self.work))

    def test_where_the_quarantine_is(self):
        invoices(self.work)
        quarantine = self.home.path / "quarantine"
        quarantine.mkdir(exist_ok=True)
        mounted(self, quarantine, PAGE)
        self.assert_failed_cleanly(snapshot(self.work))

    def test_the_same_file_system_with_room_will_do(self):
        """The twin of the tests above: nothing but the free space differs."""
        mounted(self, self.work, 2 << 20)
        invoices(self.work)
        self.assert_code(self.home.run(self.work), DONE)
        self.assertIn(REPORT, snapshot(self.work))


class Memory(Case):
    """What a model needs is said before it is loaded. The machine's word on its memory is replaced, in a place of its own, by another."""

    def call(self, mebibytes, *command):
        told = self.folder / "meminfo"
        told.write_text(f"MemTotal: 99999999 kB\nMemAvailable: {mebibytes << 10} kB\n", encoding="ascii")
        wrap = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /proc/meminfo && exec "$@"', str(told)]
        if os.geteuid() != 0 or subprocess.run([*wrap, "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("only root can tell a program of another memory")
        return subprocess.run([*wrap, *map(str, command)], cwd=self.folder, env=clean_env(), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=300, check=False)

    def assert_said(self, done):
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertRegex(done.stderr, r"there is no memory for the model: \d+ MiB of weights and \d+ MiB for a session, 100 MiB are available")
        self.assertIn("hint: ", done.stderr)

    def test_a_run_is_told_before_the_model_is_loaded(self):
        home = plain_home().copy(self.folder / "home")
        work = letters(self.folder / "letters")
        run = ["--home", home.path, "run", "--manifest", work / "manifest.json", "How many lines does a.txt have?"]
        self.assert_said(self.call(100, BIN, *run))
        self.assert_sound(home)

    def test_a_benchmark_is_told_and_runs_where_there_is_room(self):
        bench = ["bench", "-m", MODEL, "-p", "8", "-n", "0", "-r", "1"]
        self.assert_said(self.call(100, BIN, *bench))
        enough = self.call(8192, BIN, *bench)
        self.assertEqual(enough.returncode, DONE, enough.stderr)

    def test_a_server_is_told_before_it_listens(self):
        done = self.call(100, BIN.with_name("cloister-serve"), "--model", MODEL, "--listen", f"unix:{self.folder}/serve.sock")
        self.assert_said(done)
        self.assertFalse((self.folder / "serve.sock").exists())


class Interrupt(Case):
    def interrupt(self, stage, *codes):
        home = plain_home().copy(self.folder / "home")
        work = invoices(self.folder / "invoices")
        before = snapshot(work)
        with home.at_terminal(work, "run", "--manifest", "manifest.json", REQUEST, bars=True) as terminal:
            terminal.expect(STAGES[stage])
            terminal.press(INTERRUPT)
            self.assertIn(terminal.wait(), codes, terminal.seen[-2000:])  # not a signal's death, and not "done"
            self.assertNotIn("panicked", terminal.seen)
        self.assert_untouched(work, before)
        self.assert_sound(home)

    def test_while_loading(self):
        self.interrupt("load", INTERRUPTED)

    def test_while_planning(self):
        self.interrupt("plan", INTERRUPTED)

    def interrupt_answer(self, request, seen):
        """^C while words are made: what the bar has shown until then, and how the session ended."""
        home = plain_home().copy(self.folder / "home")
        work = letters(self.folder / "letters")
        manifest = work / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text(encoding="utf-8")) | {"capabilities": []}), encoding="utf-8")
        with home.at_terminal(work, "run", "--manifest", "manifest.json", request, bars=True) as terminal:
            terminal.expect(seen)
            terminal.press(INTERRUPT)
            self.assertEqual(terminal.wait(), INTERRUPTED, terminal.seen[-2000:])
        self.assertEqual([e["kind"] for e in home.entries()][-2:], ["interrupted", "session-end"])
        self.assertFalse([e for e in home.entries() if e["kind"] == "note"], "it was answered")
        self.assert_sound(home)
        return terminal.seen

    def test_while_a_prompt_is_read(self):
        shown = self.interrupt_answer(LONG, r"planning[^\r\n]* ([1-9]|[12]\d) %")
        self.assertNotIn("tokens written", shown)

    def test_while_an_answer_is_written(self):
        shown = self.interrupt_answer(STORY, r" ([5-9]|\d\d) tokens written")
        self.assertNotIn("220 tokens written", shown)

    def test_while_a_tool_runs(self):
        self.interrupt("tool", INTERRUPTED)

    def test_at_the_question(self):
        self.interrupt("consent", REFUSED, INTERRUPTED)


if __name__ == "__main__":
    unittest.main()
