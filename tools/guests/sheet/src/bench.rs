//! What `summarize` costs natively, beside the same in the cage: tools/cage/examples/summarize.rs starts these (`make bench-cage`).

use std::path::PathBuf;
use std::time::Instant;
use std::{env, fs};

use rust_xlsxwriter::{Format, Workbook};

use crate::testing::book;
use tables::asked::{Grain, Key, Measure, Operation};
use tables::select::tables;
use tables::summarize::{Request, summarize};

const HEADINGS: [&str; 8] = [
    "Date", "Region", "Customer", "Product", "Quantity", "Price", "Amount", "Paid",
];

/// One row: day, region, customer, product, quantity, price, and whether it was paid.
fn row(at: u32) -> (String, String, String, String, u32, f64, &'static str) {
    (
        format!("2025-{:02}-{:02}", at % 12 + 1, at % 28 + 1),
        format!("Region {}", at % 7),
        format!("Customer {}", at % 997),
        format!("Product {}", at % 53),
        at % 90 + 1,
        f64::from(at % 10_000 + 100) / 100.0,
        if at.is_multiple_of(3) { "no" } else { "yes" },
    )
}

fn delimited(rows: u32) -> String {
    let mut text = HEADINGS.join(",");
    for at in 0..rows {
        let (day, region, customer, product, quantity, price, paid) = row(at);
        let amount = (f64::from(quantity) * price * 100.0).round() / 100.0;
        text.push_str(&format!(
            "\n{day},{region},{customer},{product},{quantity},{price:.2},{amount:.2},{paid}"
        ));
    }
    text
}

fn workbook(rows: u32) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let day_format = Format::new().set_num_format("yyyy-mm-dd");
    let sheet = workbook.add_worksheet();
    sheet.write_row(0, 0, HEADINGS).unwrap();
    for at in 0..rows {
        let (day, region, customer, product, quantity, price, paid) = row(at);
        let day = rust_xlsxwriter::ExcelDateTime::parse_from_str(&day).unwrap();
        let amount = (f64::from(quantity) * price * 100.0).round() / 100.0;
        let at = at + 1;
        sheet.write_with_format(at, 0, &day, &day_format).unwrap();
        sheet.write_row(at, 1, [region, customer, product]).unwrap();
        sheet
            .write_row(at, 4, [f64::from(quantity), price, amount])
            .unwrap();
        sheet.write(at, 7, paid).unwrap();
    }
    workbook.save_to_buffer().unwrap()
}

fn made(rows: u32) -> [(String, Vec<u8>); 2] {
    [
        (format!("{rows}.csv"), delimited(rows).into_bytes()),
        (format!("{rows}.xlsx"), workbook(rows)),
    ]
}

/// With a folder in CLOISTER_BENCH the tables are made there, with one of them it is measured; without, small ones are summarized.
#[test]
fn both_kinds_of_table_have_the_same_groups() {
    let Some(about) = env::var_os("CLOISTER_BENCH").map(PathBuf::from) else {
        for (name, bytes) in made(100) {
            assert_eq!(groups(&name, &bytes), 84, "{name}");
        }
        return;
    };
    if about.is_dir() {
        for (name, bytes) in [made(10_000), made(100_000)].concat() {
            fs::write(about.join(name), bytes).unwrap();
        }
    } else {
        let name = about.file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(&about).unwrap();
        let begun = Instant::now();
        let groups = groups(name, &bytes);
        println!("native: {} {groups}", begun.elapsed().as_micros());
    }
}

fn groups(name: &str, bytes: &[u8]) -> u32 {
    let key = |column: &str, grain| Key {
        column: column.into(),
        grain,
    };
    let measure = |operation, column: Option<&str>| Measure {
        operation,
        column: column.map(str::to_owned),
    };
    let request = Request {
        group_by: vec![key("Region", Grain::Value), key("Date", Grain::Month)],
        measures: vec![
            measure(Operation::Sum, Some("Amount")),
            measure(Operation::Average, Some("Price")),
            measure(Operation::Count, None),
        ],
        direction: None,
        limit: None,
        totals_row: None,
    };
    let tables = tables(vec![book(name, bytes)], None, &[], &request.columns()).unwrap();
    summarize(tables, &request).unwrap().into_table().total
}
