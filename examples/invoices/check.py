#!/usr/bin/env python3
"""Compare reports/q4-summary.xlsx with totals computed here, by openpyxl, from the invoices. usage: check.py [FOLDER]

Revenue is the net amount of every invoice dated October to December, paid or open. Exits 0 when each month stands in a row
with its total, no other month does, and there is a bar chart.
"""
import calendar
import datetime
import re
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl

YEAR = 2025
QUARTER = (10, 11, 12)
REPORT = "reports/q4-summary.xlsx"


def expected(folder):
    """Month number -> sum of `Amount`, for each month of the year that has invoices."""
    totals = {}
    for path in sorted(Path(folder).glob("*.xlsx")):
        rows = openpyxl.load_workbook(path, data_only=True)["Invoices"].iter_rows(values_only=True)
        heading = next(rows)
        date, amount = heading.index("Date"), heading.index("Amount")
        for row in rows:
            month = row[date].month
            totals[month] = totals.get(month, Decimal(0)) + Decimal(str(row[amount]))
    return totals


def month_of(cell):
    """The month that a cell names: a date, `2025-10`, `10/2025`, `October 2025`, `Oct`; None if it names none."""
    if isinstance(cell, (datetime.date, datetime.datetime)):
        return cell.month if cell.year == YEAR else None
    said = str(cell or "").strip().casefold()
    numeric = re.fullmatch(rf"{YEAR}-(\d\d)(?:-\d\d)?|(\d\d)[./]{YEAR}", said)
    if numeric:
        return int(numeric[1] or numeric[2])
    word = re.fullmatch(rf"([a-z]+)\.?(?: {YEAR})?", said)
    names = [{calendar.month_name[m].casefold(), calendar.month_abbr[m].casefold()} for m in range(1, 13)]
    return next((m for m, spelled in enumerate(names, 1) if word and word[1] in spelled), None)


def found(report):
    """Month number -> every number that stands in a row naming the month."""
    book = openpyxl.load_workbook(report, data_only=True)
    numbers = {}
    for sheet in book.worksheets:
        for row in sheet.iter_rows(values_only=True):
            month = next(filter(None, map(month_of, row)), None)
            if month:
                numbers.setdefault(month, []).extend(
                    Decimal(str(cell)) for cell in row if isinstance(cell, (int, float)) and not isinstance(cell, bool))
    return numbers


def has_bar_chart(report):
    with zipfile.ZipFile(report) as parts:
        return any(b"barChart" in parts.read(name) for name in parts.namelist() if name.startswith("xl/charts/chart"))


def faults(folder, show=print):
    """What is wrong with the report, as sentences; `show` gets a table, line by line."""
    report = Path(folder, REPORT)
    if not report.is_file():
        return [f"there is no `{REPORT}`"]
    wanted, got = expected(folder), found(report)
    wrong = []
    show(f"{'month':<10}{'expected':>14}{'in the report':>16}")
    for month in QUARTER:
        near = min(got.get(month, []), key=lambda number: abs(number - wanted[month]), default=None)
        right = near is not None and abs(near - wanted[month]) < Decimal("0.005")
        show(f"{calendar.month_name[month]:<10}{wanted[month]:>14,.2f}{'missing' if near is None else f'{near:,.2f}':>16}  {'ok' if right else 'WRONG'}")
        if not right:
            wrong.append(f"{calendar.month_name[month]} is not {wanted[month]:,.2f}")
    wrong += [f"{calendar.month_name[month]} is not in the quarter" for month in sorted(set(got) - set(QUARTER))]
    return wrong if has_bar_chart(report) else [*wrong, "there is no bar chart"]


def main():
    wrong = faults(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    for sentence in wrong:
        print(f"wrong: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
