"""Reports, read back by programs that share no code with ours: a Word document, a web page, Markdown. What a cell says stays text."""
import json
import shutil
import zipfile
from html.parser import HTMLParser
from xml.etree import ElementTree

from home import AGENT, DONE, FAILED, NO_PLAN, Case, plain_home, snapshot

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
LINK = "[pay here](https://evil.example)"
SCRIPT = "</td><script>alert(1)</script>"
EXPENSES = [("2025-01-10", "Travel", "1200.5", "train"), ("2025-02-11", "Rent", "800", LINK), ("2025-02-20", "Travel", "99.25", SCRIPT),
            ("2025-03-01", "=1+1", "10", "odd")]
NOTES = "# Minutes\n\nWe met, see [the plan](https://evil.example).\n\n- rent\n- travel\n"


class Page(HTMLParser):
    """The tags of a page, the texts of its table, and of its title."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.heads, self.inner = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inner = tag
        for name, _ in attrs:
            assert name not in ("href", "src") and not name.startswith("on"), attrs
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        self.inner = None

    def handle_data(self, data):
        if self.inner in ("td", "th"):
            self.cells[-1] += data
        if self.inner == "h1":
            self.heads.append(data)


class Reports(Case):
    def setUp(self):
        super().setUp()
        self.home = plain_home().copy(self.folder / "home")
        self.work = self.folder / "office"
        self.work.mkdir()
        capabilities = [{"name": "file:read", "paths": ["*.csv", "*.md"], "description": "Read the papers"},
                        {"name": "file:write", "paths": ["reports"], "description": "Write what is asked for"}]
        manifest = {"agent": AGENT, "version": "1.0", "capabilities": capabilities, "ttl_seconds": 3600}
        (self.work / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        rows = ["Date,Category,Amount,Note", *(",".join(row) for row in EXPENSES)]
        (self.work / "expenses.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        (self.work / "minutes.md").write_text(NOTES, encoding="utf-8")
        self.before = snapshot(self.work)

    def made(self, prompt, path):
        """Run it; what it made, the only new file, and the run's document."""
        run = self.home.run(self.work, prompt)
        self.assert_code(run, DONE)
        after = snapshot(self.work)
        self.assertEqual(after.keys() - self.before.keys(), {path}, run.doc["plan"])
        self.assertEqual({k: v for k, v in after.items() if k in self.before}, self.before)
        self.assert_sound(self.home)
        return self.work / path, run.doc

    def word(self, path):
        """The paragraphs with their styles, the tables, and the chart's categories and values."""
        with zipfile.ZipFile(path) as archive:
            self.assertIsNone(archive.testzip())
            parts = {name: archive.read(name) for name in archive.namelist()}
        for name, part in parts.items():
            self.assertNotIn(b"TargetMode", part, name)
        body = ElementTree.fromstring(parts["word/document.xml"]).find(WORD + "body")
        self.assertEqual([e.tag for e in body.iter() if e.tag in (WORD + "hyperlink", WORD + "fldSimple", WORD + "instrText")], [])
        text = lambda e: "".join(t.text or "" for t in e.iter(WORD + "t"))
        paragraphs = [(p.find(f"{WORD}pPr/{WORD}pStyle").get(WORD + "val"), text(p)) for p in body.findall(WORD + "p")]
        tables = [[[text(c) for c in r.findall(WORD + "tc")] for r in t.findall(WORD + "tr")] for t in body.findall(WORD + "tbl")]
        chart = parts.get("word/charts/chart1.xml")
        values = chart and [v.text for v in ElementTree.fromstring(chart).iter(CHART + "v")]
        return paragraphs, tables, values

    def test_a_word_report_of_totals_by_group_with_a_chart(self):
        path, doc = self.made("Write a Word report of the total Amount by Category of expenses.csv with a bar chart, titled \"Costs of Travel\", "
                              "with the introduction \"As agreed with the board.\"", "reports/summary.docx")
        (describe, step) = doc["plan"]["steps"]
        self.assertEqual((describe["tool"], step["tool"]), ("sheet.describe", "report.summary"))
        self.assertEqual(step["args"]["conditions"], [], "what the title says is no condition")
        paragraphs, tables, chart = self.word(path)
        self.assertEqual(paragraphs[:2], [("Title", "Costs of Travel"), ("Normal", "As agreed with the board.")])
        self.assertEqual(tables, [[["Category", "Sum of Amount"], ["=1+1", "10.00"], ["Rent", "800.00"], ["Travel", "1,299.75"]]])
        self.assertEqual(chart, ["Sum of Amount", "=1+1", "Rent", "Travel", "10", "800", "1299.75"])
        self.assertIn(("Note", "Source: expenses.csv, worksheet expenses, 4 rows."), paragraphs)

    def test_a_web_page_of_totals_with_a_chart(self):
        path, doc = self.made("Make an html page of the total Amount by quarter of expenses.csv with a chart", "reports/summary.html")
        self.assertEqual(doc["plan"]["steps"][-1]["tool"], "report.summary")
        page = Page(path.read_text(encoding="utf-8"))
        self.assertEqual(page.cells, ["Quarter", "Sum of Amount", "2025-Q1", "2,109.75"])
        self.assertIn("svg", page.tags)
        self.assertEqual(page.heads, ["Sum of Amount by Quarter"])

    def test_cells_that_would_be_links_or_markup_are_text(self):
        path, doc = self.made("List the rows of expenses.csv and save them as reports/rows.html", "reports/rows.html")
        self.assertEqual(doc["plan"]["steps"][-1]["tool"], "report.listing")
        page = Page(path.read_text(encoding="utf-8"))
        self.assertNotIn("script", page.tags)
        self.assertNotIn("a", page.tags)
        self.assertIn(SCRIPT, page.cells)
        shutil.rmtree(path.parent)
        path, _ = self.made("List the rows of expenses.csv and save them as reports/rows.docx", "reports/rows.docx")
        _, tables, _ = self.word(path)
        self.assertEqual([row[3] for row in tables[0]], ["Note", "train", LINK, SCRIPT, "odd"])
        shutil.rmtree(path.parent)
        path, _ = self.made("List the rows of expenses.csv and save them as reports/rows.md", "reports/rows.md")
        text = path.read_text(encoding="utf-8")
        self.assertIn("| 2025-02-11 | Rent | 800.00 | \\[pay here\\](https\\://evil.example) |", text)

    def test_texts_and_tables_are_put_together_and_links_are_written_out(self):
        path, doc = self.made("Put minutes.md and expenses.csv together into a Word document reports/club.docx", "reports/club.docx")
        self.assertEqual(doc["plan"]["steps"][-1]["tool"], "report.compose")
        paragraphs, tables, _ = self.word(path)
        self.assertEqual(paragraphs[:5], [
            ("Title", "club"), ("Heading1", "Minutes"), ("Normal", "We met, see the plan (https://evil.example)."),
            ("ListItem", "•rent"), ("ListItem", "•travel")])
        self.assertEqual(len(tables[0]), 5)
        self.assertIn("1 links were written out as text", doc["answer"])

    def test_a_replay_makes_the_same_bytes(self):
        path, _ = self.made("Make an html page of the total Amount by quarter of expenses.csv with a chart", "reports/summary.html")
        shutil.rmtree(path.parent)
        session = self.home.entries()[-1]["session"]
        run = self.home.call("--json", "audit", "replay", session, "--manifest", "manifest.json", cwd=self.work)
        self.assert_code(run, DONE)

    def test_what_cannot_be_made_is_no_plan(self):
        for prompt in ("Write a pdf report of the total Amount by Category of expenses.csv",
                       "Save the total Amount by Category of expenses.csv as reports/a.pdf"):
            run = self.home.run(self.work, prompt)
            self.assert_code(run, NO_PLAN)
            self.assert_untouched(self.work, self.before)

    def test_a_file_without_a_table_is_named_and_nothing_is_made(self):
        (self.work / "expenses.csv").write_text("1,2\n3,4\n", encoding="utf-8")
        before = snapshot(self.work)
        run = self.home.run(self.work, "Put minutes.md and expenses.csv together into a Word document reports/club.docx")
        self.assert_code(run, FAILED)
        self.assertIn("`expenses.csv` has no table", run.doc["answer"])
        self.assert_untouched(self.work, before)
