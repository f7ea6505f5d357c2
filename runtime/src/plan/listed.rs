//! What a request lists: kinds to sort files into ("into praise, question and complaint"), fields to fill in ("the fields date and total (amount)").
//! Each is taken as it is typed. Pure.

use cloister_tools::{Case, Signature, Type};
use serde_json::{Value, json};

use super::quoted::quoted;
use crate::words::{Role, Word, Words, stems};

/// Words behind which a list stands.
const LEADS: [&str; 14] = [
    "into",
    "as",
    "between",
    "among",
    "fields",
    "field",
    "labels",
    "kinds",
    "categories",
    "classes",
    "groups",
    "either",
    "are",
    "extract",
];
/// Words that end it.
const ENDS: [&str; 15] = [
    "from", "for", "in", "to", "into", "as", "out", "per", "with", "save", "write", "export",
    "store", "put", "then",
];
/// Words that stand before a thing and are not part of it.
const ARTICLES: [&str; 6] = ["a", "an", "the", "either", "its", "their"];
/// Words between the last two.
const JOINS: [&str; 3] = ["and", "or", "&"];
/// The most words that one of them has.
const LONGEST: usize = 5;
/// Words by which a name says what its value is, where the request does not say it in brackets.
const TOLD_BY: [(&str, &[&str]); 3] = [
    ("date", &["date", "deadline", "day", "birthday"]),
    (
        "amount",
        &[
            "amount", "total", "sum", "price", "cost", "rent", "fee", "balance", "budget",
            "salary", "deposit", "payment",
        ],
    ),
    ("integer", &["number of", "count", "quantity", "integer"]),
];

/// One of them, with what stands in brackets behind it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Term {
    name: String,
    told: Option<String>,
}

/// Whether a parameter is a list of what the request lists: of terms, or of records that name one each.
pub(super) fn is_listed(ty: &Type) -> bool {
    let is_term = |ty: &Type| matches!(ty, Type::Alias { name, .. } if name == "term");
    match ty {
        Type::List(of) => match of.plain() {
            Type::Record { fields, .. } => fields.iter().any(|field| is_term(&field.ty)),
            _ => is_term(of),
        },
        _ => false,
    }
}

/// Whether the request lists what a function takes.
pub(super) fn fits(words: &Words, signature: &Signature) -> bool {
    let mut listed = signature.params().iter().filter(|p| is_listed(&p.ty));
    listed.all(|p| value(words, &p.ty).is_some())
}

/// What a parameter takes of it: two terms at least where one is to be chosen, one where each is a field.
pub(super) fn value(words: &Words, ty: &Type) -> Option<Value> {
    let Type::List(of) = ty else { return None };
    let Type::Record { fields, .. } = of.plain() else {
        let terms = listed(words, 2)?;
        let names: Vec<String> = terms.into_iter().map(|term| term.name).collect();
        return Some(json!(names));
    };
    let field = |term: Term| -> Value {
        let each = fields.iter().map(|field| {
            let value = match field.ty.plain() {
                Type::Enum { cases, .. } => json!(kind(&term, cases)),
                _ => json!(term.name),
            };
            (field.name.clone(), value)
        });
        Value::Object(each.collect())
    };
    Some(listed(words, 1)?.into_iter().map(field).collect())
}

/// What a value is: as the request says in brackets, or as its name tells, or words.
fn kind(term: &Term, cases: &[Case]) -> Option<String> {
    let case = |name: &str| cases.iter().find(|case| case.name == name);
    let by = |text: &str| {
        let text = Words::read(text);
        let mut known = TOLD_BY.iter().filter(|(_, cues)| text.cue(cues).is_some());
        known.find_map(|(name, _)| case(name))
    };
    let told = term
        .told
        .as_deref()
        .and_then(|told| case(told).or_else(|| by(told)));
    let found = told.or_else(|| by(&term.name)).or_else(|| case("text"));
    found.or(cases.first()).map(|case| case.name.clone())
}

/// What is quoted; otherwise the first list of so many.
fn listed(words: &Words, least: usize) -> Option<Vec<Term>> {
    let quoted: Vec<Term> = quoted(words.text())
        .into_iter()
        .map(|name| Term { name, told: None })
        .collect();
    if quoted.len() >= least {
        return Some(alone(quoted));
    }
    let text = words.text();
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let leads = |token: &&str| {
        let bare = Words::read(token);
        let word = bare.all().first().map(|w| w.fold.as_str());
        token.ends_with(':') || word.is_some_and(|word| LEADS.contains(&word))
    };
    let starts = tokens.iter().enumerate().filter(|(_, token)| leads(token));
    let mut lists = starts.map(|(at, _)| alone(list(tokens.get(at.saturating_add(1)..))));
    lists.find(|terms| terms.len() >= least)
}

/// The things that are listed from here on.
fn list(tokens: Option<&[&str]>) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut term = Term::default();
    let mut length = 0_usize;
    for token in tokens.unwrap_or_default() {
        let read = Words::read(token);
        let Some(word) = read.all().first() else {
            break;
        };
        if word.role != Role::Plain || ENDS.contains(&word.fold.as_str()) || is_end(&term, word) {
            break;
        }
        if JOINS.contains(&word.fold.as_str()) {
            push(&mut terms, &mut term);
            length = 0;
        } else if token.starts_with('(')
            && token.trim_end_matches(['.', ',', ';', ':']).ends_with(')')
        {
            term.told = Some(word.fold.clone());
        } else if !(length == 0 && ARTICLES.contains(&word.fold.as_str())) {
            length = length.saturating_add(1);
            if length > LONGEST {
                return Vec::new(); // no list, but a sentence
            }
            let blank = if term.name.is_empty() { "" } else { " " };
            term.name.push_str(blank);
            term.name.push_str(&word.typed);
        }
        if token.ends_with([',', ';']) {
            push(&mut terms, &mut term);
            length = 0;
        } else if word.ends {
            break;
        }
    }
    push(&mut terms, &mut term);
    terms
}

/// "of each letter" says of what, where "date of birth" goes on.
fn is_end(term: &Term, word: &Word) -> bool {
    let of = term.name.ends_with(" of") || term.name == "of";
    of && ["each", "every", "all", "these", "those", "my", "our"].contains(&word.fold.as_str())
}

fn push(terms: &mut Vec<Term>, term: &mut Term) {
    let mut done = std::mem::take(term);
    let name = done.name.strip_suffix(" of").unwrap_or(&done.name);
    done.name = name.to_owned();
    if !done.name.is_empty() {
        terms.push(done);
    }
}

/// Each once, however it is written.
fn alone(terms: Vec<Term>) -> Vec<Term> {
    let mut kept: Vec<Term> = Vec::new();
    for term in terms {
        if !kept.iter().any(|k| stems(&k.name) == stems(&term.name)) {
            kept.push(term);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(function: &str) -> Signature {
        let wit = include_str!("../../../tools/guests/model/wit/model.wit");
        let all = Signature::parse("model", wit).unwrap().into_iter();
        all.into_iter().find(|s| s.function() == function).unwrap()
    }

    fn of(function: &str, request: &str) -> Value {
        let signature = signature(function);
        let param = signature
            .params()
            .iter()
            .find(|p| is_listed(&p.ty))
            .unwrap();
        json!(value(&Words::read(request), &param.ty))
    }

    #[test]
    fn kinds_are_taken_as_they_stand_in_the_request() {
        for request in [
            "Sort the letters into order, late fee and Praise and save it to reports/kinds.csv",
            "Classify a.txt and b.txt as order, a late fee, or Praise.",
            "Classify the mails by what they are: order, late fee, Praise",
            "Label every letter \"order\", \"late fee\" or \"Praise\" in kinds.csv",
            "Save which letters are order, late fee or Praise as kinds.csv",
        ] {
            assert_eq!(
                of("classify", request),
                json!(["order", "late fee", "Praise"]),
                "{request}"
            );
        }
        for request in [
            "Sort the letters",
            "Sort the letters into kinds.csv",
            "Sort the letters into orders",
            "Sort the letters into what we have to answer before the end of this month, and the rest",
            "Sort them into order and Orders",
        ] {
            assert_eq!(of("classify", request), Value::Null, "{request}");
        }
    }

    #[test]
    fn fields_have_a_name_and_a_kind() {
        let field = |name: &str, kind: &str| json!({"name": name, "kind": kind});
        let wanted = json!([
            field("due date", "date"),
            field("tenant", "text"),
            field("monthly rent", "amount"),
            field("date of birth", "date"),
            field("number of rooms", "integer"),
            field("reference", "integer"),
        ]);
        for request in [
            "Fill in the fields due date, tenant, monthly rent, date of birth, number of rooms and reference (integer) for each lease",
            "Extract the due date, the tenant, the monthly rent, the date of birth, number of rooms and reference (count) of each lease",
            "Fill in these fields: due date, tenant, monthly rent (amount), date of birth, number of rooms, reference (quantity). Save it as a.csv",
        ] {
            assert_eq!(of("fields", request), wanted, "{request}");
        }
        assert_eq!(
            of("fields", "Fill in the field tenant from a.txt"),
            json!([field("tenant", "text")])
        );
        assert_eq!(of("fields", "Fill in what is missing"), Value::Null);
    }
}
