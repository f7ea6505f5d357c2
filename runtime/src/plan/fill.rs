//! Fills the slots that need no document: which files, where to write, which kind of chart, which words to look for.

use cloister_tools::{Case, Handle, Signature, Type};
use serde_json::{Map, Value, json};

use super::Draft;
use super::offers::Offer;
use super::quoted::{announced, quoted};
use super::reach::{Known, Reach};
use super::{listed, mood, places};
use crate::failure::{Failure, Kind};
use crate::slots::{Alternative, Decide, Slot};
use crate::words::{Role, Words};

/// Words for an enum's cases and for optional parameters that are not their own names.
const SYNONYMS: [(&str, &[&str]); 9] = [
    ("chart", &["chart", "graph", "plot", "diagram"]),
    ("bar", &["bar", "column chart"]),
    (
        "date",
        &["date", "when", "deadline", "due", "day", "until", "expire"],
    ),
    (
        "amount",
        &[
            "amount", "how much", "price", "cost", "pay", "owe", "fee", "rent", "charge", "sum",
            "total", "target", "budget", "balance", "revenue", "value",
        ],
    ),
    ("email", &["email", "e-mail", "address", "contact"]),
    ("number", &["number"]),
    ("iban", &["iban", "account number", "bank account"]),
    (
        "inner",
        &[
            "in both",
            "only match",
            "match only",
            "match row",
            "rows that match",
            "with a match",
        ],
    ),
    (
        "totals-row",
        &[
            "total line",
            "grand total",
            "overall total",
            "total at the bottom",
            "total at the end",
        ],
    ),
];
/// Words that ask for a file where none is named.
const FILE_CUES: [&str; 14] = [
    "save",
    "write",
    "create",
    "make",
    "produce",
    "generate",
    "export",
    "workbook",
    "spreadsheet",
    "report",
    "copy",
    "put",
    "store",
    "chart",
];
/// Verbs that say what becomes of an answer: a file that is called by one is not what they name.
const MAKING: [&str; 10] = [
    "save", "write", "create", "make", "produce", "generate", "export", "copy", "put", "store",
];
/// Words that no search is about.
pub(super) const IDLE: [&str; 66] = [
    "a",
    "an",
    "the",
    "of",
    "in",
    "on",
    "to",
    "for",
    "by",
    "and",
    "or",
    "with",
    "from",
    "at",
    "is",
    "are",
    "was",
    "were",
    "be",
    "which",
    "what",
    "who",
    "where",
    "when",
    "how",
    "do",
    "does",
    "did",
    "me",
    "my",
    "our",
    "us",
    "we",
    "i",
    "it",
    "its",
    "them",
    "they",
    "that",
    "this",
    "these",
    "those",
    "any",
    "all",
    "every",
    "each",
    "give",
    "tell",
    "show",
    "list",
    "find",
    "search",
    "look",
    "please",
    "name",
    "names",
    "file",
    "files",
    "letter",
    "letters",
    "document",
    "documents",
    "mention",
    "mentions",
    "contain",
    "contains",
];
/// Words behind which the thing looked for stands.
const ABOUT: [&str; 14] = [
    "mention",
    "contain",
    "about",
    "say",
    "regard",
    "concern",
    "includ",
    "word",
    "words",
    "phrase",
    "refer",
    "containing",
    "for",
    "discuss",
];
/// The longest run of words that is offered to a search.
const LONGEST_SEARCH: usize = 4;

/// What stands between the words that are replaced and the words that replace them.
const REPLACED_BY: [&str; 2] = ["with", "by"];

/// Freeze the call: everything but what depends on contents.
pub(crate) fn fixed(
    words: &Words,
    reach: &Reach<'_>,
    offer: &Offer,
    decide: &mut dyn Decide,
) -> Result<Draft, Failure> {
    let mut args = Map::new();
    let mut open = Vec::new();
    for param in offer.signature.params() {
        if needs_contents(&param.ty) || param.name == "limit" || param.name == "direction" {
            open.push(param.name.clone());
            continue;
        }
        let value = one(words, reach, offer, &param.name, &param.ty, decide)?;
        args.insert(param.name.clone(), value);
    }
    Ok(Draft {
        signature: offer.signature.clone(),
        args,
        open,
    })
}

/// Whether a parameter takes one handle of this kind, and cannot do without it.
pub(super) fn is_single(ty: &Type, wanted: Handle) -> bool {
    matches!(ty.plain(), Type::Handle(found) if *found == wanted)
}

/// The handle that a parameter takes, behind lists and options.
pub(crate) fn handle(ty: &Type) -> Option<Handle> {
    match ty {
        Type::Handle(handle) => Some(*handle),
        Type::List(of) | Type::Option(of) | Type::Alias { of, .. } => handle(of),
        _ => None,
    }
}

/// Columns, worksheets and literals come out of documents: the aliases of the signature say so.
pub(crate) fn needs_contents(ty: &Type) -> bool {
    match ty {
        Type::Alias { name, .. } => ["column", "worksheet", "literal"].contains(&name.as_str()),
        Type::List(of) | Type::Option(of) => needs_contents(of),
        Type::Record { fields, .. } => fields.iter().any(|f| needs_contents(&f.ty)),
        _ => false,
    }
}

/// Whether a function measures groups: a list of operations, each over a column or none.
pub(crate) fn has_measures(signature: &Signature) -> bool {
    let optional_column = |ty: &Type| matches!(ty, Type::Option(of) if needs_contents(of));
    let measures = |ty: &Type| matches!(ty.plain(), Type::Record { fields, .. } if fields.iter().any(|f| optional_column(&f.ty)));
    signature
        .params()
        .iter()
        .any(|p| matches!(&p.ty, Type::List(of) if measures(of)))
}

fn one(
    words: &Words,
    reach: &Reach<'_>,
    offer: &Offer,
    name: &str,
    ty: &Type,
    decide: &mut dyn Decide,
) -> Result<Value, Failure> {
    match (ty, handle(ty)) {
        (Type::List(_), Some(Handle::Input)) => files(words, reach, offer, decide),
        (_, Some(Handle::Input)) => single(words, reach, offer, name),
        (Type::Option(_), Some(Handle::Output)) => Ok(save(words, reach, offer, decide)),
        (_, Some(Handle::Output)) => made(words, reach, offer, decide)
            .map(|path| json!(path))
            .ok_or_else(|| unfilled(name)),
        (_, Some(Handle::Movable)) => places::moves(words, reach)
            .map(|(f, _)| json!(f.name))
            .ok_or_else(|| unfilled(name)),
        (_, Some(Handle::Place)) => places::moves(words, reach)
            .map(|(_, to)| json!(to))
            .ok_or_else(|| unfilled(name)),
        (Type::Option(of), None) => optional(words, name, of, decide),
        (Type::List(_), None) if listed::is_listed(ty) => {
            listed::value(words, ty).ok_or_else(|| unfilled(name))
        }
        (_, None) if is_words(ty) => {
            let sought = sought(words, &offer.signature).unwrap_or_default();
            let at = place(&offer.signature, name, is_words);
            Slot::new(name, sought.into_iter().nth(at).unwrap_or_default())
                .decided(decide)?
                .ok_or_else(|| unfilled(name))
        }
        (_, None) => required(words, name, ty, decide),
    }
}

/// Named files as they are; else a group of files that a word of the request picks out; else every file that the tool reads.
fn files(
    words: &Words,
    reach: &Reach<'_>,
    offer: &Offer,
    decide: &mut dyn Decide,
) -> Result<Value, Failure> {
    let named: Vec<&str> = reach.named(words).iter().map(|f| f.name.as_str()).collect();
    if !named.is_empty() {
        decide.settled("files", &named.join(", "));
        return Ok(json!(named));
    }
    let all: Vec<&str> = offer.takes(reach).iter().map(|f| f.name.as_str()).collect();
    let mut alternatives = groups(words, &all);
    alternatives.push(Alternative::new("every granted file", json!(all)));
    Slot::new("files", alternatives)
        .decided(decide)?
        .ok_or_else(|| unfilled("files"))
}

/// Groups of files whose names share a word with the request, where that tells some from the others.
fn groups(words: &Words, all: &[&str]) -> Vec<Alternative> {
    let mut found = Vec::new();
    for word in words
        .all()
        .iter()
        .filter(|w| w.role == Role::Plain && w.fold.len() > 2 && !IDLE.contains(&w.fold.as_str()))
        .filter(|w| !MAKING.contains(&w.fold.as_str()))
    {
        let has = |name: &&&str| {
            let stem = name.rsplit_once('.').map_or(**name, |(s, _)| s);
            crate::words::stems(&stem.replace('/', " ")).contains(&word.stem)
        };
        let hits: Vec<&&str> = all.iter().filter(has).collect();
        if !hits.is_empty() && hits.len() < all.len() {
            found.push(Alternative::new(
                format!("files named {}", word.fold),
                json!(hits),
            ));
        }
    }
    found
}

/// Where a function takes several files one by one, they are the named ones in their order; one that is called by a preposition is the
/// file that this brings in.
fn single(words: &Words, reach: &Reach<'_>, offer: &Offer, name: &str) -> Result<Value, Failure> {
    let file = single_file(words, reach, offer, name);
    file.map(|f| json!(f.name)).ok_or_else(|| unfilled(name))
}

fn single_file<'r>(
    words: &Words,
    reach: &'r Reach<'_>,
    offer: &Offer,
    name: &str,
) -> Option<&'r Known> {
    let singles = offer.signature.params().iter();
    let singles = singles.filter(|p| is_single(&p.ty, Handle::Input));
    let (brought, others): (Vec<_>, Vec<_>) = singles.partition(|p| places::brings(&p.name));
    let files = brought.iter().filter_map(|p| {
        let file = places::brought_by(words, reach, &p.name)?;
        Some((p.name.as_str(), file))
    });
    let brought: Vec<(&str, &Known)> = files.collect();
    if let Some((_, file)) = brought.iter().find(|(param, _)| *param == name) {
        return Some(file);
    }
    let at = others.iter().position(|p| p.name == name)?;
    let free = |file: &&Known| !brought.iter().any(|(_, taken)| taken == file);
    let named = reach.named(words).into_iter().filter(free).nth(at);
    named.or_else(|| offer.takes(reach).into_iter().filter(free).nth(at))
}

/// A file's name without its folder and ending.
fn stem(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.rsplit_once('.').map_or(last, |(stem, _)| stem)
}

/// The place of a parameter among those of its kind.
fn place(signature: &Signature, name: &str, kind: impl Fn(&Type) -> bool) -> usize {
    let alike = signature.params().iter().filter(|p| kind(&p.ty));
    alike.take_while(|p| p.name != name).count()
}

/// A path that the request orders to be written, or a plain name where it asks for a file without naming one; else nothing is written.
fn save(words: &Words, reach: &Reach<'_>, offer: &Offer, decide: &mut dyn Decide) -> Value {
    let asked = mood::orders(words)
        .iter()
        .any(|s| s.words().cue(&FILE_CUES).is_some());
    if asked || places::save(words, reach).is_some() {
        json!(made(words, reach, offer, decide))
    } else {
        Value::Null
    }
}

/// The path that the request orders to be written, or a plain name in the one writable folder.
fn made(
    words: &Words,
    reach: &Reach<'_>,
    offer: &Offer,
    decide: &mut dyn Decide,
) -> Option<String> {
    let plain = || unused(words, reach, &reach.only_writable_folder()?, offer);
    let path = places::save(words, reach).or_else(plain)?;
    decide.settled("save", &path);
    Some(path)
}

/// A plain name that no file has yet, so that nothing is replaced that was not named. Who names only another form of one file wants its
/// name kept, and so does who has something brought to a file.
fn unused(words: &Words, reach: &Reach<'_>, folder: &str, offer: &Offer) -> Option<String> {
    let form = places::form(words).filter(|form| offer.writes.iter().any(|w| w == form));
    let first = offer.writes.first().map_or("xlsx", String::as_str);
    let singles = offer.signature.params().iter();
    let mut singles = singles.filter(|p| is_single(&p.ty, Handle::Input));
    let to = singles.clone().find(|p| places::brings(&p.name));
    let source = to.or_else(|| singles.next().filter(|_| form.is_some()));
    let source = source.and_then(|p| single_file(words, reach, offer, &p.name));
    let stem = source.map_or(offer.signature.function(), |file| stem(&file.name));
    let copied = to.and(source).and_then(|file| file.name.rsplit_once('.'));
    let ending = form.or(copied.map(|(_, ending)| ending)).unwrap_or(first);
    let numbered = (2..100).map(|n| format!("{folder}/{stem}-{n}.{ending}"));
    let mut names = std::iter::once(format!("{folder}/{stem}.{ending}")).chain(numbered);
    names.find(|p| reach.file(p).is_none() && reach.place(p).is_some())
}

/// An optional choice is made only where the request speaks of it.
fn optional(
    words: &Words,
    name: &str,
    of: &Type,
    decide: &mut dyn Decide,
) -> Result<Value, Failure> {
    if is_words(of) {
        let text = announced(words.text(), name);
        text.iter().for_each(|text| decide.settled(name, text));
        return Ok(json!(text));
    }
    let Type::Enum { cases, .. } = of.plain() else {
        return Ok(Value::Null);
    };
    let spoken = words.cue(synonyms(name)).is_some() || words.mention(name).is_some();
    if !spoken {
        return Ok(Value::Null);
    }
    Ok(Slot::new(name, said(words, cases))
        .decided(decide)?
        .unwrap_or(Value::Null))
}

fn required(
    words: &Words,
    name: &str,
    ty: &Type,
    decide: &mut dyn Decide,
) -> Result<Value, Failure> {
    let alternatives = match ty.plain() {
        Type::Enum { cases, .. } => said(words, cases),
        Type::Bool => [false, true]
            .iter()
            .map(|b| Alternative::new(b.to_string(), json!(b)))
            .collect(),
        Type::U32 | Type::U64 | Type::S64 => whole_numbers(words),
        Type::String => searches(words),
        _ => Vec::new(),
    };
    Slot::new(name, alternatives)
        .decided(decide)?
        .ok_or_else(|| unfilled(name))
}

fn whole_numbers(words: &Words) -> Vec<Alternative> {
    let numbers = crate::words::numbers::numbers(words).into_iter();
    numbers
        .filter_map(|n| {
            n.plain
                .parse::<u32>()
                .ok()
                .map(|v| Alternative::new(n.plain, json!(v)))
        })
        .collect()
}

fn is_words(ty: &Type) -> bool {
    matches!(ty, Type::Alias { name, .. } if name == "words")
}

/// What each parameter of words may be, in their order; nothing where the request does not hold as many.
pub(super) fn sought(words: &Words, signature: &Signature) -> Option<Vec<Vec<Alternative>>> {
    let texts = |texts: Vec<String>| -> Vec<Vec<Alternative>> {
        let each = texts.into_iter();
        each.map(|t| vec![Alternative::new(t.clone(), json!(t))])
            .collect()
    };
    match signature
        .params()
        .iter()
        .filter(|p| is_words(&p.ty))
        .count()
    {
        0 => Some(Vec::new()),
        1 => Some(vec![searches(words)]),
        count => {
            let quoted = Some(quoted(words.text())).filter(|q| q.len() == count);
            let pair = || replaced(words).filter(|_| count == 2);
            quoted.or_else(pair).map(texts)
        }
    }
}

/// "Replace the old words by the new ones in …": both, as they are typed.
fn replaced(words: &Words) -> Option<Vec<String>> {
    let all = words.all();
    let begins = words.cue(&["replac"])?.saturating_add(1);
    let is_by = |w: &crate::words::Word| REPLACED_BY.contains(&w.fold.as_str());
    let by = all
        .iter()
        .enumerate()
        .skip(begins)
        .find(|(_, w)| is_by(w))?
        .0;
    let old = all.get(begins..by)?;
    let new = all.get(by.saturating_add(1)..)?;
    let last = new.iter().position(|w| w.ends);
    let until = |w: &&crate::words::Word| {
        w.role != Role::Path
            && !["in", "and", "throughout", "everywhere"].contains(&w.fold.as_str())
    };
    let new = new
        .iter()
        .take(last.map_or(usize::MAX, |at| at.saturating_add(1)))
        .take_while(until);
    let old = old
        .iter()
        .skip_while(|w| !searchable(w) || ["word", "words"].contains(&w.fold.as_str()));
    if old.clone().any(|w| w.role == Role::Path) {
        return None;
    }
    let typed: [Vec<&str>; 2] = [
        old.map(|w| w.typed.as_str()).collect(),
        new.map(|w| w.typed.as_str()).collect(),
    ];
    let full = typed.iter().all(|run| !run.is_empty());
    full.then(|| typed.iter().map(|run| run.join(" ")).collect())
}

/// Runs of words to look for: what is quoted; else what stands behind "mention", "about" and their like; else any run.
fn searches(words: &Words) -> Vec<Alternative> {
    let quoted = quoted(words.text());
    if !quoted.is_empty() {
        return quoted
            .into_iter()
            .map(|q| Alternative::new(q.clone(), json!(q)))
            .collect();
    }
    let about = words.all().iter().position(|w| {
        w.role == Role::Plain
            && (ABOUT.contains(&w.stem.as_str()) || ABOUT.contains(&w.fold.as_str()))
    });
    let all = words.all();
    let behind = about.and_then(|at| {
        (at.saturating_add(1)..all.len()).find(|i| all.get(*i).is_some_and(searchable))
    });
    let starts: Vec<usize> = match behind {
        Some(start) => vec![start],
        None => (0..all.len()).collect(),
    };
    let runs = starts.into_iter().flat_map(|start| runs(words, start));
    let mut found: Vec<Alternative> = runs
        .map(|r| Alternative::new(r.clone(), json!(r)))
        .collect();
    // Behind a cue the run ends where the clause does: the longest one is what was meant.
    if behind.is_some() {
        found = found.into_iter().next_back().into_iter().collect();
    }
    found
}

fn searchable(word: &crate::words::Word) -> bool {
    word.role != Role::Path && !IDLE.contains(&word.fold.as_str())
}

/// The runs that begin at a place and neither begin nor end with an idle word, shortest first.
fn runs(words: &Words, start: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut run: Vec<&str> = Vec::new();
    for word in words.all().iter().skip(start).take(LONGEST_SEARCH) {
        if word.role == Role::Path || !searchable(word) && run.is_empty() {
            break;
        }
        run.push(&word.typed);
        if searchable(word) {
            found.push(run.join(" "));
        }
        if word.ends {
            break;
        }
    }
    found
}

/// The cases that the request names; else those whose synonyms it uses; else all of them.
fn said(words: &Words, cases: &[Case]) -> Vec<Alternative> {
    let which = |spoken: &dyn Fn(&str) -> bool| -> Vec<&str> {
        cases
            .iter()
            .map(|c| c.name.as_str())
            .filter(|c| spoken(c))
            .collect()
    };
    let named = which(&|c| words.mention(c).is_some());
    let meant = which(&|c| words.cue(synonyms(c)).is_some());
    let open = [named, meant, which(&|_| true)]
        .into_iter()
        .find(|list| !list.is_empty())
        .unwrap_or_default();
    open.into_iter()
        .map(|c| Alternative::new(c, json!(c)))
        .collect()
}

fn synonyms(name: &str) -> &'static [&'static str] {
    SYNONYMS
        .iter()
        .find(|(n, _)| *n == name)
        .map_or(&[], |(_, s)| s)
}

fn unfilled(name: &str) -> Failure {
    Failure::new(
        Kind::NoPlan,
        format!("the request does not say what `{name}` should be"),
    )
    .hint("name the file, the place or the words".to_owned())
}
