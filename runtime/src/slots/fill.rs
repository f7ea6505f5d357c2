//! Fills the open slots of a frozen draft from what `describe` found, by the shape of their types and in the order of the signature.

use cloister_tools::{Param, Type};
use serde_json::{Map, Value, json};

use super::conditions::Conditions;
use super::tables::{self, Columns, Table, is_choice};
use super::{Alternative, Decide, Slot, conditions, keys, measures, order};
use crate::failure::{Failure, Kind};
use crate::plan::{Draft, quoted};
use crate::words::Words;

/// The shapes of open parameters that a signature may have. A new tool that keeps to them is filled without a line changed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Worksheet,
    Conditions,
    Keys,
    Key,
    Measures,
    Order,
    Columns,
    Direction,
    Limit,
}

/// The complete arguments. Files that lack the columns chosen are left out, which `describe` allows to narrow but never to add.
pub(crate) fn fill(
    draft: &Draft,
    tables: &[Table],
    words: &Words,
    decide: &mut dyn Decide,
) -> Result<Map<String, Value>, Failure> {
    let words = &quoted::rest(words, &draft.args);
    // A worksheet's name is a document's text like any heading: one that would mislead an eye is no choice.
    let tables: Vec<Table> = tables
        .iter()
        .filter(|t| is_choice(&t.worksheet))
        .cloned()
        .collect();
    let worksheet = worksheet(&tables, words, decide)?;
    let chosen: Vec<&Table> = tables
        .iter()
        .filter(|t| worksheet.as_ref().is_none_or(|w| t.worksheet == *w))
        .collect();
    let columns = Columns::of(chosen.iter().copied());
    if columns.is_empty() {
        return Err(
            Failure::new(Kind::NoPlan, "no table was found in the files")
                .hint("a table needs a row of headings above its rows".to_owned()),
        );
    }
    let open: Vec<&Param> = draft
        .signature
        .params()
        .iter()
        .filter(|p| draft.open.contains(&p.name))
        .collect();
    let mut args = draft.args.clone();
    let mut filling = Filling {
        words,
        columns: &columns,
        shared: tables::shared(&chosen),
        worksheet,
        found: Conditions::default(),
        keys: Vec::new(),
    };
    for param in open {
        let value = filling.slot(param, decide)?;
        args.insert(param.name.clone(), value);
    }
    narrow(&mut args, &chosen);
    Ok(args)
}

/// What earlier slots fixed, for those that follow.
struct Filling<'a> {
    words: &'a Words,
    columns: &'a Columns,
    /// Headings that every table has.
    shared: Vec<&'a str>,
    worksheet: Option<String>,
    found: Conditions,
    keys: Vec<Value>,
}

impl Filling<'_> {
    fn slot(&mut self, param: &Param, decide: &mut dyn Decide) -> Result<Value, Failure> {
        Ok(match shape(param) {
            Some(Shape::Worksheet) => json!(self.worksheet),
            Some(Shape::Conditions) => {
                self.found = conditions::find(self.words, self.columns, decide)?;
                json!(self.found.list)
            }
            Some(Shape::Keys) => {
                self.keys = keys::find(self.words, self.columns, &self.found.used, decide)?;
                json!(self.keys)
            }
            Some(Shape::Key) => json!(keys::shared(self.words, &self.shared)),
            Some(Shape::Measures) => json!(measures::find(
                self.words,
                self.columns,
                &self.keys,
                decide
            )?),
            Some(Shape::Order) => json!(order::order(self.words, self.columns, decide)?),
            Some(Shape::Direction) => {
                json!(order::direction(self.words).filter(|_| !self.keys.is_empty()))
            }
            Some(Shape::Limit) => json!(order::limit(self.words, &self.found.used)),
            Some(Shape::Columns) => Value::Null,
            None => unknown(param)?,
        })
    }
}

fn shape(param: &Param) -> Option<Shape> {
    match &param.ty {
        Type::List(of) => match of.plain() {
            Type::Record { fields, .. } if fields.iter().any(|f| is_alias(&f.ty, "literal")) => {
                Some(Shape::Conditions)
            }
            Type::Record { fields, .. }
                if fields
                    .iter()
                    .any(|f| matches!(&f.ty, Type::Option(of) if is_alias(of, "column"))) =>
            {
                Some(Shape::Measures)
            }
            Type::Record { fields, .. } if fields.iter().any(|f| is_alias(&f.ty, "column")) => {
                Some(Shape::Keys)
            }
            _ => None,
        },
        Type::Option(of) => match (&**of, of.plain()) {
            (alias, _) if is_alias(alias, "worksheet") => Some(Shape::Worksheet),
            (alias, _) if is_alias(alias, "column") => Some(Shape::Key),
            (Type::List(item), _) if is_alias(item, "column") => Some(Shape::Columns),
            (_, Type::Record { fields, .. })
                if fields.iter().any(|f| is_alias(&f.ty, "column")) =>
            {
                Some(Shape::Order)
            }
            (_, Type::U32) if param.name == "limit" => Some(Shape::Limit),
            (_, Type::Enum { .. }) if param.name == "direction" => Some(Shape::Direction),
            _ => None,
        },
        _ => None,
    }
}

fn is_alias(ty: &Type, wanted: &str) -> bool {
    matches!(ty, Type::Alias { name, .. } if name == wanted)
}

/// A shape that nothing fills is left empty where it may be, and refused where it may not.
fn unknown(param: &Param) -> Result<Value, Failure> {
    match &param.ty {
        Type::Option(_) => Ok(Value::Null),
        Type::List(_) => Ok(json!([])),
        _ => Err(Failure::new(
            Kind::NoPlan,
            format!(
                "nothing in the request says what `{}` should be",
                param.name
            ),
        )),
    }
}

/// A worksheet is named only where some file has several: the one that the request names, or whose headings it names most.
fn worksheet(
    tables: &[Table],
    words: &Words,
    decide: &mut dyn Decide,
) -> Result<Option<String>, Failure> {
    let several = tables
        .iter()
        .any(|t| tables.iter().filter(|o| o.file == t.file).count() > 1);
    if !several {
        return Ok(None);
    }
    let named: Vec<&Table> = tables
        .iter()
        .filter(|t| words.mention(&t.worksheet).is_some())
        .collect();
    let open = if named.is_empty() {
        most_mentioned(tables, words)
    } else {
        named
    };
    let alternatives = open
        .iter()
        .map(|t| Alternative::new(t.worksheet.clone(), json!(t.worksheet)))
        .collect();
    let chosen = Slot::new("worksheet", alternatives).decided(decide)?;
    Ok(chosen.as_ref().and_then(Value::as_str).map(str::to_owned))
}

fn most_mentioned<'t>(tables: &'t [Table], words: &Words) -> Vec<&'t Table> {
    let score = |t: &Table| {
        t.columns
            .iter()
            .filter(|c| words.mention(&c.name).is_some())
            .count()
    };
    let best = tables.iter().map(score).max().unwrap_or_default();
    tables.iter().filter(|t| score(t) == best).collect()
}

/// Keep the files whose table has every column that the call names.
fn narrow(args: &mut Map<String, Value>, tables: &[&Table]) {
    let used = columns_in(&Value::Object(args.clone()));
    let fits = |file: &Value| {
        let mut of_file = tables.iter().filter(|t| json!(t.file) == *file);
        of_file.any(|t| {
            used.iter()
                .all(|u| t.columns.iter().any(|c| c.name.eq_ignore_ascii_case(u)))
        })
    };
    let Some(Value::Array(files)) = args.get_mut("files") else {
        return;
    };
    let keep: Vec<Value> = files.iter().filter(|f| fits(f)).cloned().collect();
    if !keep.is_empty() {
        *files = keep;
    }
}

fn columns_in(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => {
            let own = map.get("column").and_then(Value::as_str).map(str::to_owned);
            own.into_iter()
                .chain(map.values().flat_map(columns_in))
                .collect()
        }
        Value::Array(list) => list.iter().flat_map(columns_in).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
