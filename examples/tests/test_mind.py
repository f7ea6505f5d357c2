"""The model's process: what it does once it is sealed, and what becomes of a run, and of it, when one of the two dies."""
import collections
import os
import re
import signal
import time
import unittest
from pathlib import Path

from home import DONE, FAILED, Case, invoices, letters, plain_home, scratch
from test_cage import FORBIDDEN, LINE, allowed, forbidding_works
from test_faults import LONG
import strace

STARTED = re.compile(r'\["cloister-mind", "processor", "inside"\]')
# With numbers as strace has them, not as the namespace does.
THREAD = re.compile(r"^(\d+) +(?:clone\(|<\.\.\. clone resumed).*= \d+(?: /\* (\d+) in strace's PID NS \*/)?$", re.MULTILINE)
FORBIDDEN_CALLS = {"socket", "connect", "open", "openat", "openat2", "execve", "execveat", "ptrace", "io_uring_setup", "fork", "vfork", "kill"}


def threads(text, first):
    """The numbers of a process's threads, from its first one's."""
    found = [first]
    for one in found:
        found += [child for parent, child in THREAD.findall(text) if parent == one and child and child not in found]
    return found


def since_sealed(calls):
    """The calls after the last filter was put on."""
    last = max(i for i, (name, rest) in enumerate(calls) if name == "seccomp" and "SECCOMP_SET_MODE_FILTER" in rest)
    return calls[last + 1:]


@unittest.skipUnless(strace.AVAILABLE, "strace is not installed")
class Sealed(Case):
    def test_a_sealed_mind_does_only_what_is_on_its_list(self):
        home = plain_home().copy(self.folder / "home")
        folder = invoices(self.folder / "work")
        log = scratch() / "mind.strace"
        run = home.run(folder, wrap=["strace", "-f", "-qq", "--pidns-translation", "-o", str(log)])
        self.assert_code(run, DONE)
        text = re.sub(r"^(\d+) /\* \d+ in \w+ \*/", r"\1", log.read_text(errors="replace"), flags=re.MULTILINE)
        calls = collections.defaultdict(list)
        for pid, name, rest in LINE.findall(text):
            calls[pid].append((name, rest))
        (mind,) = [pid for pid, of in calls.items() if any(name == "execve" and STARTED.search(rest) for name, rest in of)]
        every = threads(text, mind)
        self.assertGreaterEqual(len(every), 2, "no thread of it was seen")
        done = since_sealed(calls[mind]) + [call for thread in every[1:] for call in calls[thread]]
        count = collections.Counter(name for name, _ in done)
        listed = allowed("MIND")
        self.assertLessEqual(len(listed), 50)
        self.assertFalse(listed & FORBIDDEN_CALLS)
        self.assertLessEqual(count.keys(), listed | allowed("REFUSED"))
        # Reading the model, having threads, large pages and answering: a trace that saw nothing would pass.
        self.assertLessEqual({"read", "write", "madvise", "clone", "futex"}, count.keys())
        for name, rest in done:
            first = rest.split(",")[0]
            if name == "read":
                self.assertIn(first, ("0", "1"))
            elif name == "write":
                self.assertEqual(first, "0")
            elif name in ("clone3", "openat"):
                self.assertRegex(rest, r"= -1 ENOSYS|unfinished")
            elif name == "clone":
                self.assertIn("CLONE_THREAD", rest)
            elif name in ("mmap", "mprotect"):
                self.assertNotIn("PROT_EXEC", rest)
        print(f"\nsystem calls of the model's process once it was sealed, {len(every)} threads:", dict(count.most_common()), end="")


def children(pid):
    """The processes that were started by any thread of this one, with what they are called."""
    found = {}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found[int(child)] = Path(f"/proc/{child}/comm").read_text().strip()
    return found


def mind_of(agent):
    """(the one that waits, the one inside) of an agent's two processes for the model; where there are no namespaces it is the same."""
    (waiting,) = [pid for pid, name in children(agent).items() if name.startswith("cloister-mind") or name == "exe"]
    inside = [*children(waiting)]
    return waiting, inside[0] if inside else waiting


def gone(pid, seconds=10):
    """Whether a process ends; one that only waits to be reaped has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


class Dies(Case):
    def planning(self, home, work):
        """A run at a terminal that reads a long prompt for some seconds."""
        terminal = home.at_terminal(work, "run", "--manifest", "manifest.json", LONG, bars=True)
        terminal.expect(r"planning[^\r\n]* ([1-9]|[12]\d) %")
        return terminal

    def work(self):
        work = letters(self.folder / "letters")
        manifest = work / "manifest.json"
        text = re.sub(r'"capabilities": \[.*?\}\]', '"capabilities": []', manifest.read_text(encoding="utf-8"), flags=re.DOTALL)
        manifest.write_text(text, encoding="utf-8")
        return work

    def test_a_mind_that_is_killed_is_an_error_that_says_so_and_is_recorded(self):
        for which in (0, 1):
            home = plain_home().copy(self.folder / f"home{which}")
            with self.subTest(which), self.planning(home, self.work() if which == 0 else self.folder / "letters") as terminal:
                os.kill(mind_of(terminal.pid)[which], signal.SIGKILL)
                self.assertEqual(terminal.wait(), FAILED, terminal.seen[-2000:])
                self.assertRegex(terminal.seen, r"error: the model's process is gone: it ended with (a signal|signal 9)")
                self.assertNotIn("panicked", terminal.seen)
            stopped, end = home.entries()[-2:]
            self.assertEqual((stopped["kind"], end["kind"]), ("note", "session-end"))
            self.assertEqual(stopped["body"]["about"], "stopped")
            self.assert_sound(home)

    def test_an_agent_that_is_killed_takes_its_mind_along(self):
        home = plain_home().copy(self.folder / "home")
        with self.planning(home, self.work()) as terminal:
            both = mind_of(terminal.pid)
            os.kill(terminal.pid, signal.SIGKILL)
            for pid in both:
                self.assertTrue(gone(pid), f"{pid} outlives its agent")


@unittest.skipUnless(forbidding_works(), "this system does not let the test forbid user namespaces")
class WithoutNamespaces(Case):
    def test_the_other_layers_hold_and_doctor_and_ledger_tell(self):
        home = plain_home().copy(self.folder / "home")
        summary = home.call("--json", "doctor", wrap=FORBIDDEN).doc["checks"]["sandbox"]["summary"]
        self.assertIn("namespaces of the model's process", summary)
        run = home.run(invoices(self.folder / "work"), wrap=FORBIDDEN)
        self.assert_code(run, DONE)
        told = str(home.entries())
        self.assertIn("namespaces of the model's process", told)
        self.assertNotIn("seccomp of the model's process", told)

    @unittest.skipUnless(strace.AVAILABLE, "strace is not installed")
    def test_where_they_are_made_and_their_users_refused_the_other_layers_hold(self):
        """As Ubuntu does it since 23.10: a user namespace is made, and its map may not be written."""
        home = plain_home().copy(self.folder / "home")
        refused = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", "/proc/self/uid_map", "-e", "inject=openat:error=EACCES"]
        run = home.run(invoices(self.folder / "work"), wrap=refused)
        self.assert_code(run, DONE)
        told = str(home.entries())
        self.assertIn("namespaces of the model's process", told)
        self.assertIn("namespaces of the tools' process", told)
        self.assertNotIn("seccomp of the model's process", told)

    def test_where_nothing_is_forbidden_nothing_is_missing(self):
        home = plain_home().copy(self.folder / "home")
        self.assertEqual(home.call("--json", "doctor").doc["checks"]["sandbox"]["status"], "ok")
        self.assert_code(home.run(invoices(self.folder / "work")), DONE)
        start = next(entry for entry in home.entries() if entry["kind"] == "session-start")
        self.assertEqual(start["body"]["confinement"], "full")


if __name__ == "__main__":
    unittest.main()
