"""`cloister bench`: llama-bench's names, llama-perplexity's method, and the file of logits that benches/agreement.py reads."""
import array
import math
import statistics
import subprocess

from home import BIN, DONE, FAILED, MODEL, Case, Run, clean_env, plain_home

USAGE = 2
# Of llama-bench's rows, what scripts read.
NAMES = {"build_commit", "build_number", "cpu_info", "backends", "model_filename", "model_type", "model_size", "model_n_params", "n_threads", "n_prompt",
         "n_gen", "n_depth", "test_time", "avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "samples_ns", "samples_ts"}
WINDOW = 16


def bench(*options, home="/nonexistent"):
    """Without a home: a model that is named needs none."""
    command = [BIN, "--quiet", "--home", home, "bench", *map(str, options)]
    return Run(subprocess.run(command, capture_output=True, text=True, check=False, env=clean_env(), timeout=300))


class Speed(Case):
    def test_the_rows_are_those_of_llama_bench(self):
        run = bench("-m", MODEL, "-p", "4,0", "-n", "2", "-d", "0,8", "-r", "2", "-o", "json")
        self.assert_code(run, DONE)
        self.assertEqual([(r["n_prompt"], r["n_gen"], r["n_depth"]) for r in run.doc], [(4, 0, 0), (0, 2, 0), (4, 0, 8), (0, 2, 8)])
        for row in run.doc:
            self.assertLessEqual(NAMES, row.keys())
            self.assertEqual([len(row["samples_ns"]), len(row["samples_ts"])], [2, 2])
            tokens = row["n_prompt"] + row["n_gen"]
            self.assertAlmostEqual(row["samples_ts"][0], 1e9 * tokens / row["samples_ns"][0], places=3)
            self.assertAlmostEqual(row["avg_ts"], statistics.mean(row["samples_ts"]))
            self.assertAlmostEqual(row["stddev_ts"], statistics.stdev(row["samples_ts"]))
            self.assertGreater(row["load_ms"], 0)
            self.assertGreater(row["peak_rss_bytes"], row["model_size"] / 2)
            self.assertIsNone(row["bandwidth_percent"])

    def test_a_sweep_gives_a_part_of_the_bandwidth(self):
        row = bench("-m", MODEL, "-p", 0, "-n", 2, "-r", 3, "--sweep", "-o", "json").doc[0]
        read = statistics.median(row["samples_ts"]) * row["token_bytes"]
        self.assertAlmostEqual(row["bandwidth_percent"], 100 * read / row["sweep_bytes_per_second"])

    def test_the_table_has_llama_benchs_columns(self):
        run = bench("-m", MODEL, "-p", 2, "-n", 0, "-r", 1)
        self.assert_code(run, DONE)
        columns = [cell.strip() for cell in run.out.splitlines()[0].strip("|").split("|")]
        self.assertEqual(columns, ["model", "size", "params", "backend", "threads", "test", "t/s"])
        self.assertIn("| pp2 |", " ".join(run.out.splitlines()[2].split()))

    def test_the_pinned_default_is_measured_where_none_is_named(self):
        home = plain_home()
        sha256 = home.must("--json", "models", "list").doc[0]["sha256"]
        run = home.must("--json", "bench", "-p", "2", "-n", "0", "-r", "1")
        self.assertEqual([row["model_sha256"] for row in run.doc], [sha256])

    def test_what_cannot_be_measured_is_said(self):
        self.assert_code(bench("-m", MODEL, "-p", 0, "-n", 0), USAGE)
        self.assert_code(bench("-m", MODEL, "-p", "many"), USAGE)
        run = bench("-m", MODEL, "-p", 2, "-n", 0, "-d", 10_000_000)
        self.assert_code(run, FAILED)
        self.assert_clear(run, "pp2 @ d10000000")
        self.assert_clear(bench("-m", self.folder / "none.gguf"), "none.gguf")


class Perplexity(Case):
    def setUp(self):
        super().setUp()
        self.text = self.folder / "text.txt"
        self.text.write_text("The committee met on Tuesday to discuss the budget for the coming year. " * 8, encoding="utf-8")

    def ppl(self, *more):
        return bench("-m", MODEL, "--ppl", self.text, "-c", WINDOW, *more)

    def test_both_forms_say_the_same(self):
        said = self.ppl("--chunks", 2)
        self.assert_code(said, DONE)
        found = self.ppl("--chunks", 2, "-o", "json").doc
        self.assertEqual(said.out.strip(), f"PPL = {found['ppl']:.4f}")
        self.assertGreater(found["ppl"], 1)

    def test_one_by_one_is_as_all_at_once(self):
        together, alone = (self.ppl("--chunks", 3, "--step", step, "-o", "json").doc["ppl"] for step in (16, 1))
        self.assertAlmostEqual(together, alone, delta=together * 0.01)

    def test_the_logits_that_are_written_give_the_perplexity_that_is_told(self):
        out = self.folder / "logits"
        found = self.ppl("--chunks", 2, "--dump-logits", out, "-o", "json").doc
        written = out.read_bytes()
        self.assertEqual(written[:8], b"_logf32_")
        size, width, windows = array.array("I", written[8:20])
        tokens = array.array("I", written[20:20 + 4 * size * windows])
        rows = array.array("f", written[20 + 4 * len(tokens):])
        self.assertEqual((size, windows, len(rows)), (WINDOW, 2, 2 * (WINDOW - 1 - WINDOW // 2) * width))
        answers = [tokens[w * size + at + 1] for w in range(windows) for at in range(size // 2, size - 1)]
        losses = []
        for number, answer in enumerate(answers):
            row = rows[number * width:(number + 1) * width]
            losses.append(math.log(math.fsum(math.exp(x) for x in row)) - row[answer])
        self.assertEqual(found["n_scored"], len(losses))
        self.assertAlmostEqual(math.exp(statistics.mean(losses)), found["ppl"], places=3)

    def test_a_window_longer_than_the_context_is_refused(self):
        run = bench("-m", MODEL, "--ppl", self.text, "-c", 1 << 24)
        self.assert_code(run, FAILED)
        self.assertRegex(run.err, r"prompt of 16777216 tokens does not fit context of \d+")

    def test_a_text_of_less_than_two_windows_is_refused(self):
        self.text.write_text("Too short.", encoding="utf-8")
        run = self.ppl()
        self.assert_code(run, FAILED)
        self.assert_clear(run, str(WINDOW))
