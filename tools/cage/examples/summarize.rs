//! What the work of a tool costs in the cage: `summarize` of `sheet` over tables of 10,000 and 100,000 rows with 8 columns, start to end with
//! every layer and fuel, beside the same crates natively, in turn. `make bench-cage` runs it with the component, a folder of tables and the
//! command that runs tools/guests/sheet/src/bench.rs.

#[path = "../../../benches/told.rs"]
mod told;

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use cloister_cage::{
    Arg, Component, Ended, Input, Limits, Moment, Nobody, Program, Run, Source, Terms, Value, run,
};

/// How often each is run. 15: a median that one slow stretch of the host does not decide.
const TURNS: usize = 15;

struct Bytes(Vec<u8>);

impl Source for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..));
        io::Read::read(&mut rest.unwrap_or_default(), buffer)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [component, folder, native @ ..] = args.as_slice() else {
        return Err("usage: summarize COMPONENT FOLDER COMMAND…".into());
    };
    let limits = Limits::STANDARD;
    let program = Program::load()?;
    let component = Component::compile(&fs::read(component)?, &limits)?;
    test(native, Path::new(folder))?;
    for table in ["10000.csv", "100000.csv", "10000.xlsx", "100000.xlsx"] {
        let path = Path::new(folder).join(table);
        let (mut caged, mut natively) = (Vec::new(), Vec::new());
        let mut last = None;
        for _ in 0..TURNS {
            let begun = Instant::now();
            let run = summarize(&program, &component, &path, &limits)?;
            caged.push(begun.elapsed());
            let (took, groups) = measured(&test(native, &path)?)?;
            natively.push(took);
            if total(&run) != Some(groups) {
                return Err(format!("{table}: {groups} groups natively, {:?}", run.ended).into());
            }
            last = Some(run.used);
        }
        let used = last.unwrap_or_default();
        println!(
            "{table}: in the cage {:.0} ms, natively {:.0} ms; {}; {:.2e} fuel, {} MiB in the guest, {} MiB in its process",
            told::median(&caged) * 1e3,
            told::median(&natively) * 1e3,
            told::ratio(&caged, &natively),
            used.fuel as f64,
            used.memory_bytes >> 20,
            used.process_bytes.unwrap_or_default() >> 20
        );
    }
    Ok(())
}

/// What one test of the guest's own says.
fn test(command: &[String], about: &Path) -> Result<String, Box<dyn Error>> {
    let (program, args) = command.split_first().ok_or("no command")?;
    let mut test = Command::new(program);
    test.args(args)
        .arg("bench::both_kinds_of_table_have_the_same_groups");
    test.args(["--exact", "--nocapture"]);
    let done = test.env("CLOISTER_BENCH", about).output()?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into());
    }
    Ok(String::from_utf8(done.stdout)?)
}

/// Time and number of groups.
fn measured(said: &str) -> Result<(Duration, u64), Box<dyn Error>> {
    let (_, rest) = said.split_once("native: ").ok_or("nothing was measured")?;
    let mut words = rest.split_whitespace();
    let mut number = || words.next().ok_or("a number is missing");
    Ok((
        Duration::from_micros(number()?.parse()?),
        number()?.parse()?,
    ))
}

fn summarize(
    program: &Program,
    component: &Component,
    path: &Path,
    limits: &Limits,
) -> io::Result<Run> {
    let input = Input {
        name: path.file_name().unwrap_or_default().display().to_string(),
        source: Box::new(Bytes(fs::read(path)?)),
    };
    let moment = Moment {
        unix_millis: 0,
        seed: 1,
    };
    let absent = || Arg::Value(Value::Option(None));
    let args = vec![
        Arg::List(vec![Arg::Input(input)]),
        absent(),
        Arg::Value(Value::List(Vec::new())),
        Arg::Value(Value::List(vec![
            pair("column", text("Region"), "grain", case("value")),
            pair("column", text("Date"), "grain", case("month")),
        ])),
        Arg::Value(Value::List(vec![
            measure("sum", Some("Amount")),
            measure("average", Some("Price")),
            measure("count", None),
        ])),
        absent(),
        absent(),
        absent(),
        absent(),
        Arg::Option(None),
    ];
    let interface = "cloister:sheet/sheet@0.1.0";
    Ok(run(
        program,
        component,
        interface,
        "summarize",
        args,
        Terms {
            limits,
            moment,
            stop: &|| false,
            mind: &mut Nobody,
        },
    ))
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn case(case: &str) -> Value {
    Value::Enum(case.into())
}

fn pair(one: &str, first: Value, other: &str, second: Value) -> Value {
    Value::Record(vec![(one.into(), first), (other.into(), second)])
}

fn measure(operation: &str, column: Option<&str>) -> Value {
    let column = Value::Option(column.map(|column| Box::new(text(column))));
    pair("operation", case(operation), "column", column)
}

/// How many groups came back.
fn total(run: &Run) -> Option<u64> {
    let Ended::Returned(Some(Value::Result(Ok(Some(table))))) = &run.ended else {
        return None;
    };
    let Value::Record(fields) = table.as_ref() else {
        return None;
    };
    fields.iter().find_map(|(name, value)| match value {
        Value::Unsigned(total) if name == "total" => Some(*total),
        _ => None,
    })
}
