"""The world is unkind: broken models, broken workbooks, full disks, ^C. A clear error, a sound ledger, nothing half-written."""
import os
import subprocess
import unittest

from home import DONE, FAILED, INTEGRITY, MODEL, REFUSED, REPORT, REQUEST, Case, invoices, make_home, plain_home, snapshot
from terminal import INTERRUPT

PAGE = 4096
# What a terminal shows when a stage has begun: the words of the progress bars, then finished lines. The last one is the question itself.
STAGES = {"hash": r"hashing", "load": r"loading", "plan": r"planning", "tool": r"plan +`sheet", "consent": r"\[y\]es"}


class Broken(Case):
    def test_a_truncated_model_is_refused_with_a_reason(self):
        cut = self.folder / "cut.gguf"
        with MODEL.open("rb") as whole, cut.open("wb") as out:
            out.write(whole.read(MODEL.stat().st_size // 2))
        home = make_home(self.folder / "home", model=None)
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


class Interrupt(Case):
    def interrupt(self, stage):
        home = plain_home().copy(self.folder / "home")
        work = invoices(self.folder / "invoices")
        before = snapshot(work)
        with home.at_terminal(work, "run", "--manifest", "manifest.json", REQUEST, bars=True) as terminal:
            terminal.expect(STAGES[stage])
            terminal.press(INTERRUPT)
            code = terminal.wait()
            self.assertIn(code, (FAILED, REFUSED, 130), terminal.seen[-2000:])  # not a signal's death, and not "done"
            self.assertNotIn("panicked", terminal.seen)
        self.assert_untouched(work, before)
        self.assert_sound(home)

    def test_while_hashing(self):
        self.interrupt("hash")

    def test_while_loading(self):
        self.interrupt("load")

    def test_while_planning(self):
        self.interrupt("plan")

    def test_while_a_tool_runs(self):
        self.interrupt("tool")

    def test_at_the_question(self):
        self.interrupt("consent")


if __name__ == "__main__":
    unittest.main()
