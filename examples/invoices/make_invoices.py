#!/usr/bin/env python3
"""Make the demo's twelve invoice workbooks. usage: make_invoices.py OUTDIR

The records come from a fixed seed, and the zip entries are stored, without compression and with one fixed time:
the same bytes on every machine, whatever zlib it has. `examples/tests/test_examples.py` holds this.
"""
import datetime
import io
import os
import random
import re
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

os.environ["OPENPYXL_LXML"] = "False"  # lxml, where present, would write other bytes
from openpyxl import Workbook
from openpyxl.styles import Font

YEAR = 2025
SEED = 4_711_2025
ZIP_TIME = (YEAR, 1, 1, 0, 0, 0)
HEADINGS = ["Invoice", "Date", "Customer", "Region", "Amount", "VAT", "Status"]
WIDTHS = [14, 12, 26, 10, 12, 12, 10]
FORMATS = {"Date": "yyyy-mm-dd", "Amount": "#,##0.00", "VAT": "#,##0.00"}
CUSTOMERS = [  # name, region, VAT rate in per cent
    ("Aurora Bakery", "North", 7), ("Birch & Sons Joinery", "North", 19), ("Coastline Ferries", "West", 19),
    ("Delta Dental", "South", 19), ("Elmfield Nursery", "East", 7), ("Foxglove Books", "South", 7),
    ("Granite Works", "West", 19), ("Harbour Hotel", "West", 19), ("Indigo Textiles", "East", 19),
    ("Kestrel Couriers", "North", 19), ("Linden Pharmacy", "South", 19)]


def records(month, rng):
    """One month's invoices by date; amounts are net, in euros and cents."""
    days_in_month = (datetime.date(YEAR + month // 12, month % 12 + 1, 1) - datetime.timedelta(days=1)).day
    days = sorted(rng.randint(1, days_in_month) for _ in range(rng.randint(20, 60)))
    return [record(number, datetime.date(YEAR, month, day), rng) for number, day in enumerate(days, 1)]


def record(number, day, rng):
    customer, region, rate = rng.choice(CUSTOMERS)
    amount = Decimal(rng.randint(2_500, 640_000)) / 100
    open_now = rng.random() < (0.35 if day.month >= 11 else 0.06)  # most of the older ones have been paid
    return [f"R{day:%y%m}-{number:03}", day, customer, region, amount,
            (amount * rate / 100).quantize(Decimal("0.01")), "open" if open_now else "paid"]


def workbook(rows):
    """The bytes of a workbook with one sheet, `Invoices`."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Invoices"
    sheet.append(HEADINGS)
    for row in rows:
        sheet.append([float(cell) if isinstance(cell, Decimal) else cell for cell in row])
    for heading, width, column in zip(HEADINGS, WIDTHS, sheet.iter_cols()):
        sheet.column_dimensions[column[0].column_letter].width = width
        column[0].font = Font(bold=True)
        for cell in column[1:]:
            cell.number_format = FORMATS.get(heading, "General")
    sheet.freeze_panes = "A2"
    packed = io.BytesIO()
    book.save(packed)
    return steady(packed)


def steady(packed):
    """The same zip file without the time of day, its entries stored."""
    out = io.BytesIO()
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(out, "w") as new:
        for name in sorted(old.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            body = old.read(name)
            if name == "docProps/core.xml":
                body = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", b"%d-01-01T00:00:00" % YEAR, body)
            info = zipfile.ZipInfo(name, ZIP_TIME)
            info.create_system = 3  # else it differs between systems
            new.writestr(info, body)
    return out.getvalue()


def write(folder):
    """All twelve, as invoices-2025-01.xlsx and so on."""
    rng = random.Random(SEED)
    for month in range(1, 13):
        Path(folder, f"invoices-{YEAR}-{month:02}.xlsx").write_bytes(workbook(records(month, rng)))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(sys.argv[1])
