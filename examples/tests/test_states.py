"""What is kept of a prompt's beginning: the next run plans the same without reading it, and a file that is not that is as good as none."""
import os
import shutil
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from home import DONE, MODEL, Case, invoices, plain_home
from test_faults import mounted
from test_serve import RAIN, TOOLS, Server

QUESTION = "Summarize invoices-2025-03.xlsx"  # leaves a choice, so the model is asked
LEAST = 64  # tokens; a shorter beginning is not kept


def answered(home, folder, question=QUESTION):
    """The document of a run that writes nothing."""
    run = home.run(folder, question)
    if run.code != DONE:
        raise AssertionError(run)
    return run.doc


class Kept(Case):
    def setUp(self):
        super().setUp()
        self.home = plain_home().copy(self.folder / "home")
        self.kept = self.home.path / "run/kv"
        for old in self.kept.glob("*"):
            old.unlink()
        self.data = invoices(self.folder / "data")

    def files(self):
        return sorted(self.kept.iterdir())

    def test_the_next_run_reads_only_what_the_person_says(self):
        first = answered(self.home, self.data)
        (file,) = self.files()
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.kept.stat().st_mode & 0o777, 0o700)
        again = answered(self.home, self.data)
        self.assertEqual(first["tokens"]["restored"], 0)
        restored = again["tokens"]["restored"]
        self.assertGreaterEqual(restored, LEAST)
        self.assertEqual(again["tokens"]["prompt"], first["tokens"]["prompt"] - restored)
        for one in (first, again):
            del one["plan"]["hash"]  # over commitments, whose salts are new in each session
        self.assertEqual((again["plan"], again["answer"]), (first["plan"], first["answer"]))
        self.assertEqual(self.files(), [file])

    def test_what_the_person_says_and_their_files_are_called_is_not_kept(self):
        answered(self.home, self.data)
        (file,) = self.files()
        before = file.read_bytes()
        file.unlink()
        shutil.copy2(self.data / "invoices-2025-01.xlsx", self.data / "secret-2024.xlsx")
        answered(self.home, self.data, QUESTION + " for Theodora Kowalczyk")
        self.assertEqual(self.files(), [file])
        self.assertEqual(file.read_bytes(), before)

    def test_a_torn_changed_or_foreign_file_is_a_miss(self):
        first = answered(self.home, self.data)
        (file,) = self.files()
        whole = file.read_bytes()
        middle = len(whole) // 2
        spoilt = {"torn": whole[:middle], "changed": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1:],
                  "foreign": bytes(len(whole)), "empty": b""}
        for how, content in spoilt.items():
            with self.subTest(how):
                file.write_bytes(content)
                self.assert_missed(file, first, whole)

    def test_what_somebody_else_may_have_put_there_is_a_miss(self):
        """Each holds the very bytes that would be taken up, were it not for where they come from."""
        first = answered(self.home, self.data)
        (file,) = self.files()
        whole, outside = file.read_bytes(), self.folder / "outside"
        outside.write_bytes(whole)
        outside.chmod(0o600)

        def linked():
            file.unlink()
            file.symlink_to(outside)

        spoilt = {"a link": linked, "others can write it": lambda: file.chmod(0o622), "it has no end": lambda: os.truncate(file, 1 << 40)}
        if os.geteuid() == 0:
            spoilt["another user's"] = lambda: os.chown(file, 12345, -1)
        for how, spoil in spoilt.items():
            with self.subTest(how):
                spoil()
                self.assert_missed(file, first, whole)
        self.assertEqual(outside.read_bytes(), whole)

    def assert_missed(self, file, first, whole):
        doc = answered(self.home, self.data)
        self.assertEqual((doc["tokens"]["restored"], doc["answer"]), (0, first["answer"]))
        self.assertFalse(file.is_symlink())
        self.assertEqual(file.read_bytes(), whole, "what was spoilt is written anew")
        self.assertEqual((file.stat().st_mode & 0o777, file.stat().st_uid), (0o600, os.geteuid()))

    def test_a_full_disk_is_a_miss(self):
        self.kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        mounted(self, self.kept, 64 << 10)  # a state is some megabytes
        self.kept.chmod(0o700)
        run = self.home.call("-v", "run", "--manifest", "manifest.json", "--unattended", QUESTION, cwd=self.data)
        self.assert_code(run, DONE)
        self.assertRegex(run.err, "could not be kept.*space")
        self.assertEqual(self.files(), [])

    def test_where_nothing_can_be_kept_the_run_goes_on(self):
        self.kept.parent.mkdir(exist_ok=True)
        if self.kept.exists():
            self.kept.rmdir()
        self.kept.write_text("no folder", encoding="utf-8")
        self.assertEqual(answered(self.home, self.data)["tokens"]["restored"], 0)


class Served(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def answer(self, messages=RAIN):
        server = Server("--states", self.folder)
        self.addCleanup(server.stop)
        with server.client() as client:
            said = client.chat.completions.create(model=MODEL.stem.lower(), messages=messages, tools=TOOLS, tool_choice="required", max_tokens=60)
            (call,) = said.choices[0].message.tool_calls
            return (call.function.name, call.function.arguments), said.usage.prompt_tokens_details.cached_tokens, server.metrics()

    def test_a_restart_takes_up_the_functions(self):
        first, none, _ = self.answer()
        again, cached, metrics = self.answer()
        self.assertEqual((first, none), (again, 0))
        self.assertGreaterEqual(cached, LEAST)
        self.assertEqual(metrics["cloister_serve_restored_tokens_total"], cached)

    def test_what_is_asked_and_answered_is_not_kept(self):
        self.answer()
        (file,) = self.folder.iterdir()
        before = file.read_bytes()
        file.unlink()
        self.answer([{"role": "user", "content": "I am Theodora. Is it warm where my sister lives, in Lviv?"},
                     {"role": "assistant", "content": "That is a secret."}, *RAIN])
        self.assertEqual(list(self.folder.iterdir()), [file])
        self.assertEqual(file.read_bytes(), before)

    def test_several_at_once_share_a_folder(self):
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(lambda _: self.answer()[0], range(3)))
        (file,) = self.folder.iterdir()
        again, cached, _ = self.answer()
        self.assertEqual(answers, [again] * 3)
        self.assertGreaterEqual(cached, LEAST)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)

    def test_nothing_is_kept_where_others_can_write(self):
        self.folder.chmod(0o777)
        first, *_ = self.answer()
        self.assertEqual(list(self.folder.iterdir()), [])
        self.folder.chmod(0o700)
        self.assertEqual(self.answer()[:2], (first, 0))


if __name__ == "__main__":
    unittest.main()
