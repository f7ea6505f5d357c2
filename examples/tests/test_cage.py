"""The cage's processes, traced over the example's request: what they do once they are sealed is on the list of runtime/process/src/seal/syscalls.rs."""
import collections
import pathlib
import re
import subprocess
import unittest

from home import DONE, Case, invoices, plain_home, scratch
import strace

LISTS = pathlib.Path(__file__).parents[2] / "runtime/process/src/seal/syscalls.rs"
LINE = re.compile(r"^(\d+) +(\w+)\((.*)", re.MULTILINE)
FILTER = "seccomp"
STARTED = re.compile(r'\["cloister-cage"')


def allowed(name):
    """The names of one list."""
    body = re.search(rf"pub const {name}: &\[Allowed\] = &\[(.*?)\n\];", LISTS.read_text(encoding="utf-8"), re.DOTALL)
    return set(re.findall(r"libc::SYS_(\w+)", body[1]))


def by_process(log):
    """(name, rest of the line) of each system call, for each process that was started as the cage."""
    calls = collections.defaultdict(list)
    for pid, name, rest in LINE.findall(log.read_text(errors="replace")):
        calls[pid].append((name, rest))
    return {pid: one for pid, one in calls.items() if any(name == "execve" and STARTED.search(rest) for name, rest in one)}


def sealed(calls):
    """The calls from the first filter on, each with the rest of its line."""
    at = next((i for i, (name, rest) in enumerate(calls) if name == FILTER and "SECCOMP_SET_MODE_FILTER" in rest), None)
    return [] if at is None else calls[at:]


@unittest.skipUnless(strace.AVAILABLE, "strace is not installed")
class Sealed(Case):
    def test_a_sealed_process_does_only_what_is_on_its_list(self):
        home = plain_home().copy(self.folder / "home")
        folder = invoices(self.folder / "work")
        log = scratch() / "cage.strace"
        run = home.run(folder, wrap=["strace", "-f", "-qq", "-o", str(log)])
        self.assert_code(run, DONE)
        inside, waiting = allowed("CAGE"), allowed("WAITING")
        self.assertLessEqual(len(inside), 50)
        counts = {"the component's": collections.Counter(), "the waiting": collections.Counter()}
        for calls in by_process(log).values():
            done = sealed(calls)
            self.assertTrue(done, "a process of the cage was never sealed")
            names = [name for name, _ in done]
            # One that only says which layers it put on may be gone before it reads.
            which, allowing = ("the component's", inside) if {"read", "write"} & set(names) else ("the waiting", waiting | {FILTER})
            self.assertLessEqual(set(names), allowing)
            counts[which].update(names)
            self.assert_arguments(done)
        # Reading the order, loading and answering: a trace that saw nothing would pass.
        self.assertLessEqual({"read", "write", "mprotect"}, counts["the component's"].keys())
        for which, count in counts.items():
            print(f"\nsystem calls of {which} process once it was sealed:", dict(count.most_common()), end="")

    def assert_arguments(self, calls):
        """Only the line is written to, only it and the component are read; once the component is loaded, no memory becomes code."""
        filters = 0
        for name, rest in calls:
            filters += name == FILTER
            if name in ("read", "write"):
                self.assertIn(rest.split(",")[0], ("0", "1") if name == "read" else ("0",))
            if name in ("mmap", "mprotect") and filters > 1:
                self.assertNotIn("PROT_EXEC", rest)


# Inside a user namespace of its own, the wrapped program may make no further one.
FORBIDDEN = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"]


def forbidding_works():
    try:
        return subprocess.run([*FORBIDDEN, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@unittest.skipUnless(forbidding_works(), "this system does not let the test forbid user namespaces")
class WithoutNamespaces(Case):
    MISSING = {"namespaces", "empty root"}

    def missing(self, home, wrap=()):
        run = home.call("--json", "doctor", wrap=wrap)
        sandbox = run.doc["checks"]["sandbox"]
        return {name for name in self.MISSING if f"{name} of the tools' process" in sandbox["summary"]}, sandbox["remediation"]

    def test_doctor_says_what_is_missing_and_how_it_is_allowed(self):
        missing, remedy = self.missing(plain_home(), FORBIDDEN)
        self.assertEqual(self.missing(plain_home())[0], set(), "the twin: where they are allowed, nothing is missing")
        self.assertEqual(missing, self.MISSING)
        self.assertIn("max_user_namespaces", remedy)

    def test_the_other_layers_hold_and_the_ledger_tells(self):
        home = plain_home().copy(self.folder / "home")
        run = home.run(invoices(self.folder / "work"), wrap=FORBIDDEN)
        self.assert_code(run, DONE)
        told = str(home.entries())
        self.assertIn("namespaces of the tools' process", told)
        self.assertNotIn("seccomp of the tools' process", told)
