"""What the tools make, read back by programs that share no code with ours: archives, copies with other words, differences, shares, other forms, tables put together."""
import json
import shutil
import zipfile
from xml.etree import ElementTree

import openpyxl

from home import AGENT, DONE, FAILED, Case, plain_home, snapshot

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
LETTER = "Dear Huber,\nthe Hubers send their regards to Huber & Sons.\n"
OLD = [["Item", "Price", "Left"], ["bolt", 1.5, 10], ["nut", 0.25, 0], ["washer", 0.1, 7]]
NEW = [["Item", "Price", "Left"], ["washer", 0.1, 7], ["bolt", 1.75, 10], ["screw", 2, 30]]


def workbook(path, rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


class Made(Case):
    def setUp(self):
        super().setUp()
        self.home = plain_home().copy(self.folder / "home")
        self.work = self.folder / "office"
        self.work.mkdir()
        capabilities = [{"name": "file:read", "paths": ["*.xlsx", "*.txt"], "description": "Read the papers"},
                        {"name": "file:write", "paths": ["reports"], "description": "Write what is asked for"}]
        manifest = {"agent": AGENT, "version": "1.0", "capabilities": capabilities, "ttl_seconds": 3600}
        (self.work / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        (self.work / "letter.txt").write_text(LETTER, encoding="utf-8")
        (self.work / "draft.txt").write_text(LETTER.replace("regards", "love"), encoding="utf-8")
        workbook(self.work / "old.xlsx", OLD)
        workbook(self.work / "new.xlsx", NEW)
        self.before = snapshot(self.work)

    def made(self, prompt, path=None):
        """Run it; what it made, the only new file, and its document."""
        run = self.home.run(self.work, prompt)
        self.assert_code(run, DONE)
        after = snapshot(self.work)
        self.assertEqual(after.keys() - self.before.keys(), {path} if path else set())
        self.assertEqual({k: v for k, v in after.items() if k in self.before}, self.before)
        self.assert_sound(self.home)
        return self.work / path if path else None, run.doc

    def sheet(self, path):
        return [list(row) for row in openpyxl.load_workbook(path).active.iter_rows(values_only=True)]

    def test_an_archive_holds_copies_of_the_files(self):
        path, _ = self.made("Zip letter.txt and old.xlsx as reports/both.zip", "reports/both.zip")
        with zipfile.ZipFile(path) as archive:
            self.assertIsNone(archive.testzip())
            self.assertEqual({name: archive.read(name) for name in archive.namelist()},
                             {name: (self.work / name).read_bytes() for name in ("letter.txt", "old.xlsx")})

    def test_words_are_replaced_in_a_copy_and_only_whole_ones(self):
        path, doc = self.made("Replace Huber with Maier in letter.txt and save it as reports/letter.txt", "reports/letter.txt")
        self.assertEqual(path.read_text(encoding="utf-8"), "Dear Maier,\nthe Hubers send their regards to Maier & Sons.\n")
        self.assertIn("times: 2", doc["answer"])

    def test_words_that_are_not_there_make_no_file(self):
        run = self.home.run(self.work, "Replace Schulz with Maier in letter.txt and save it as reports/letter.txt")
        self.assert_code(run, FAILED)
        self.assertIn("does not hold `Schulz`", run.doc["answer"])
        self.assert_untouched(self.work, self.before)

    def test_a_difference_of_texts_is_told_line_by_line(self):
        _, doc = self.made("Compare letter.txt with draft.txt")
        self.assertIn("-the Hubers send their regards to Huber & Sons.\n+the Hubers send their love to Huber & Sons.\n", doc["answer"])

    def test_a_difference_of_workbooks_is_told_row_by_row(self):
        path, doc = self.made("Compare old.xlsx with new.xlsx and save the differences to reports/changes.xlsx", "reports/changes.xlsx")
        self.assertEqual(self.sheet(path), [
            ["Change", "Item", "Column", "Old", "New"], ["changed", "bolt", "Price", 1.5, 1.75],
            ["removed", "nut", None, "Price: 0.25; Left: 0", None], ["added", "screw", None, None, "Price: 2; Left: 30"]])
        self.assertIn("of 3 and 3 rows 1 changed, 1 were removed and 1 added", doc["answer"])

    def test_a_workbook_becomes_an_open_document_and_a_text_file(self):
        path, doc = self.made("Convert old.xlsx to ods", "reports/old.ods")
        with zipfile.ZipFile(path) as archive:
            first = archive.infolist()[0]
            self.assertEqual((first.filename, first.compress_type), ("mimetype", zipfile.ZIP_STORED))
            root = ElementTree.fromstring(archive.read("content.xml"))
        values = [cell.get(OFFICE + "value") or "".join(cell.itertext()) for cell in root.iter(TABLE + "table-cell")]
        self.assertEqual(values, ["Item", "Price", "Left", "bolt", "1.5", "10", "nut", "0.25", "0", "washer", "0.1", "7"])
        self.assertIn("only values were taken", doc["answer"])
        shutil.rmtree(path.parent)
        path, _ = self.made("Save old.xlsx as prices.csv", "reports/prices.csv")
        self.assertEqual(path.read_text(encoding="utf-8"), "Item,Price,Left\nbolt,1.5,10\nnut,0.25,0\nwasher,0.1,7\n")

    def test_rows_are_appended_to_a_copy_that_keeps_its_other_sheets(self):
        book = openpyxl.load_workbook(self.work / "old.xlsx")
        book.active["B2"].number_format = book.active["B4"].number_format = "0.00"
        book.create_sheet("Sum")["A1"] = "=SUM(Sheet!C2:C99)"
        book.save(self.work / "old.xlsx")
        self.before = snapshot(self.work)
        path, doc = self.made("Append the rows of new.xlsx to old.xlsx and save it as reports/all.xlsx", "reports/all.xlsx")
        made = openpyxl.load_workbook(path)
        self.assertEqual(made.sheetnames, ["Sheet", "Sum"])
        self.assertEqual([list(row) for row in made["Sheet"].iter_rows(values_only=True)], OLD + NEW[1:])
        self.assertEqual([made["Sheet"][f"B{row}"].number_format for row in (2, 5, 7)], ["0.00"] * 3)
        self.assertEqual(made["Sum"]["A1"].value, "=SUM(Sheet!C2:C99)")
        self.assertIn("formulas show what they came to before", doc["answer"])

    def test_tables_are_joined_and_what_has_no_match_is_told(self):
        path, doc = self.made("Join old.xlsx with new.xlsx and save it as reports/both.xlsx", "reports/both.xlsx")
        self.assertEqual(self.sheet(path), [
            ["Item", "Price", "Left", "Price (new.xlsx)", "Left (new.xlsx)"], ["bolt", 1.5, 10, 1.75, 10],
            ["nut", 0.25, 0, None, None], ["washer", 0.1, 7, 0.1, 7]])
        self.assertIn("of 3 rows of `old.xlsx` 2 found a match and 1 did not", doc["answer"])

    def test_shares_and_a_totals_row(self):
        path, _ = self.made("Write the total and the percentage of Left per Item of new.xlsx with a totals row to reports/left.xlsx",
                            "reports/left.xlsx")
        head, *rows = self.sheet(path)
        self.assertEqual(head, ["Item", "Sum of Left", "Share of Left (%)"])
        self.assertEqual([row[0] for row in rows], ["bolt", "screw", "washer", "Total"])
        self.assertEqual([row[1] for row in rows], [10, 30, 7, 47])
        for row in rows:
            self.assertAlmostEqual(row[2], row[1] / 47 * 100, places=9)
