#!/usr/bin/env python3
"""Run the end-to-end tests, a worker for each core, or those of the modules that are named.

Most tests wait for a screen, a simulator or one core more than they compute. Each worker takes the next module when it has done with one, so tests of
one module follow each other as unittest orders them. What all of them copy is made once, in a folder that they share.
"""
import multiprocessing
import os
import queue
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SLOWEST = 20  # tests named at the end with their seconds
FIRST = ("test_tools", "test_consent", "test_refusals", "test_grants")  # the longest modules: begun last, one worker would end alone


class Lines:
    """Standard error in whole lines: two workers write it."""

    def __init__(self):
        self.held = ""

    def write(self, text):
        *whole, self.held = (self.held + text).split("\n")
        for line in whole:
            os.write(2, f"{line}\n".encode())

    def flush(self):
        """What is not a whole line waits for its end."""


class Timed(unittest.TextTestResult):
    """Keeps how long each test took."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.took = []

    def startTest(self, test):
        self.begun = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.took.append((time.monotonic() - self.begun, test.id()))


def work(modules, done):
    sys.path.insert(0, str(HERE))
    os.chdir(HERE)
    for module in iter(modules.get, None):
        tests = unittest.defaultTestLoader.loadTestsFromName(module)
        result = unittest.TextTestRunner(Lines(), verbosity=2, resultclass=Timed).run(tests)
        done.put((module, result.testsRun, result.wasSuccessful(), len(result.skipped), result.took))


def main(named):
    names = named or sorted((path.stem for path in HERE.glob("test_*.py")), key=lambda name: (name not in FIRST, name))
    spawn = multiprocessing.get_context("spawn")  # the one whose children run what is registered for their exit: folders and simulators go
    modules, done = spawn.Queue(), spawn.Queue()
    begun = time.monotonic()
    workers = [spawn.Process(target=work, args=(modules, done)) for _ in range(os.cpu_count() or 1)]
    for name in [*names, *(None for _ in workers)]:
        modules.put(name)
    with tempfile.TemporaryDirectory(prefix="cloister-tests-") as shared:
        os.environ["CLOISTER_TESTS_SHARED"] = shared
        for worker in workers:
            worker.start()
        results = collect(names, workers, done)
        for worker in workers:
            worker.join()
    return tell(names, results, time.monotonic() - begun)


def collect(names, workers, done):
    """What the workers say, until every module is done, or none of them is left to say it."""
    results = []
    while len(results) < len(names):
        try:
            results.append(done.get(timeout=1))
        except queue.Empty:
            if not any(worker.is_alive() for worker in workers):
                break
    return results


def tell(names, results, seconds):
    took = sorted((one for *_, took in results for one in took), reverse=True)
    for test, name in took[:SLOWEST]:
        print(f"{test:7.1f} s  {name}", file=sys.stderr)
    failed = sorted(set(names) - {module for module, _, good, *_ in results if good})
    ran, skipped = (sum(result[at] for result in results) for at in (1, 3))
    print(f"ran {ran} end-to-end tests in {seconds:.0f} s, {skipped} skipped: {'failed in ' + ', '.join(failed) if failed else 'OK'}", file=sys.stderr)
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
