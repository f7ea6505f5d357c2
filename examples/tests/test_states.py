"""What is kept of a prompt's beginning: the next run plans the same without reading it, and a file that is not that is as good as none."""
import shutil
import tempfile
import unittest

from home import DONE, MODEL, Case, invoices, plain_home
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
                doc = answered(self.home, self.data)
                self.assertEqual((doc["tokens"]["restored"], doc["answer"]), (0, first["answer"]))
                self.assertEqual(file.read_bytes(), whole, "what was spoilt is written anew")

    def test_where_nothing_can_be_kept_the_run_goes_on(self):
        self.kept.parent.mkdir(exist_ok=True)
        if self.kept.exists():
            self.kept.rmdir()
        self.kept.write_text("no folder", encoding="utf-8")
        self.assertEqual(answered(self.home, self.data)["tokens"]["restored"], 0)


class Served(unittest.TestCase):
    def answer(self, folder):
        server = Server("--states", folder)
        self.addCleanup(server.stop)
        with server.client() as client:
            said = client.chat.completions.create(model=MODEL.stem.lower(), messages=RAIN, tools=TOOLS, tool_choice="required", max_tokens=60)
            (call,) = said.choices[0].message.tool_calls
            return (call.function.name, call.function.arguments), said.usage.prompt_tokens_details.cached_tokens, server.metrics()

    def test_a_restart_takes_up_the_functions(self):
        with tempfile.TemporaryDirectory() as folder:
            first, none, _ = self.answer(folder)
            again, cached, metrics = self.answer(folder)
        self.assertEqual((first, none), (again, 0))
        self.assertGreaterEqual(cached, LEAST)
        self.assertEqual(metrics["cloister_serve_restored_tokens_total"], cached)


if __name__ == "__main__":
    unittest.main()
