//! Which functions could serve a request at all: those whose every handle has something granted to point at. A function with no possible
//! argument is not offered, so it cannot be chosen.

use cloister_tools::{Catalog, Handle, Signature, Type};

use super::reach::{Known, Reach};
use super::{fill, listed, mood, places};
use crate::words::{Role, Word, Words};

/// A function with the file endings its tool reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) signature: Signature,
    pub(crate) accepts: Vec<String>,
    /// Empty where the tool does not say.
    pub(crate) writes: Vec<String>,
}

/// Something the request asks for that no grant gives.
#[derive(Debug)]
pub(crate) struct Lacking {
    pub(crate) capability: &'static str,
    pub(crate) verb: &'static str,
    /// Whether the request begins with it: then it is what is asked, and nothing else is offered.
    pub(crate) first_word: bool,
}

/// Capability, how the refusal names it, the verbs that ask for it.
const BEYOND: [(&str, &str, &[&str]); 3] = [
    (
        "file:delete",
        "delete files",
        &["delete", "erase", "shred", "wipe", "trash"],
    ),
    (
        "network:outbound",
        "send or fetch anything",
        &[
            "send", "email", "e-mail", "mail", "upload", "download", "post", "publish", "forward",
            "fetch", "browse",
        ],
    ),
    (
        "process:run",
        "start programs",
        &["install", "execute", "print", "launch"],
    ),
];
/// Words that ask for a measure of rows, not for the rows.
pub(super) const MEASURED: [&str; 15] = [
    "how many",
    "how much",
    "number of",
    "count",
    "total",
    "sum",
    "add up",
    "average",
    "mean",
    "median",
    "per",
    "each",
    "altogether",
    "summary",
    "the most",
];
/// Verbs that ask for the rows themselves.
const ROWS: [&str; 6] = ["list", "copi", "show", "extract", "filter", "keep"];
/// Verbs that are nouns as often: they count where something follows that they could act on.
const NOUNS: [&str; 9] = [
    "mail", "email", "e-mail", "post", "print", "fetch", "trash", "forward", "launch",
];
const OBJECTS: [&str; 9] = [
    "the", "this", "that", "these", "those", "it", "them", "all", "my",
];
const POLITE: [&str; 8] = [
    "please", "can", "could", "would", "you", "will", "now", "kindly",
];

/// A function asked for by its own word, which no other word would mean.
/// A cue that begins with a dot is the ending of a path.
const ONLY_WHEN_ASKED: [(&str, &[&str]); 16] = [
    (
        "describe",
        &[
            "column",
            "heading",
            "header",
            "worksheet",
            "sheet",
            "structure",
            "describe",
            "layout",
            "field",
        ],
    ),
    ("list", &["list", "file", "folder"]),
    ("count", &["line", "word", "character"]),
    ("tables", &["table"]),
    (
        "duplicates",
        &["duplic", "ident", "same byte", "same file", "twice"],
    ),
    ("zip", &["zip", "compress", ".zip"]),
    ("replace", &["replac"]),
    ("diff", &["compar", "differ", "diff"]),
    ("compare", &["compar", "differ", "diff"]),
    ("convert", &["convert"]),
    ("join", &["join", "merg", "match", "lookup", "look up"]),
    ("append", &["append", "add"]),
    (
        "condense",
        &[
            "summarize",
            "summarise",
            "summary",
            "condense",
            "gist",
            "in short",
            "shorten",
            "key points",
        ],
    ),
    (
        "classify",
        &["classify", "categorize", "categorise", "sort", "label"],
    ),
    ("fields", &["field", "fill in"]),
    (
        "compose",
        &[
            "compos", "combin", "together", "assembl", "in one", "into one", "merg", "text",
            "note", "minut", "memo", "letter",
        ],
    ),
];
/// Functions that are also asked for by the ending of a file that is named to be read.
const ASKED_BY_A_FILE: [(&str, &[&str]); 1] = [("compose", &["txt", "text", "md", "markdown"])];

/// Verbs that ask for one function alone where they open an order.
const ALONE: [(&str, &[&str]); 9] = [
    ("zip", &["zip", "compress"]),
    ("replace", &["replace"]),
    ("diff", &["compare", "diff"]),
    ("compare", &["compare", "diff"]),
    ("convert", &["convert"]),
    ("join", &["join", "merge", "match"]),
    ("append", &["append", "add"]),
    (
        "classify",
        &["classify", "categorize", "categorise", "sort", "label"],
    ),
    ("fields", &["fill"]),
];
/// Verbs that do only where every file at hand is one that the function takes: of a workbook they ask for something else.
const ALONE_OF_ITS_FILES: [(&str, &[&str]); 1] =
    [("condense", &["summarize", "summarise", "condense"])];
/// Verbs that do only where their object is a file, which then gets another ending: "save a.ods as b.xlsx".
const ALONE_OF_A_FILE: [(&str, &[&str]); 1] = [(
    "convert",
    &[
        "save",
        "export",
        "store",
        "write",
        "turn",
        "change",
        "transform",
    ],
)];
/// Verbs that no other function could mean.
const NOTHING_ELSE: [&str; 2] = ["convert", "append"];

impl Offer {
    /// The readable files that this tool reads.
    pub(crate) fn takes<'a>(&self, reach: &'a Reach<'_>) -> Vec<&'a Known> {
        reach.readable().filter(|f| self.reads(&f.name)).collect()
    }

    pub(crate) fn reads(&self, name: &str) -> bool {
        let ending = ending(name);
        self.accepts.iter().any(|a| a == "*" || *a == ending)
    }

    /// Whether the tool makes files that end so.
    fn makes(&self, name: &str) -> bool {
        self.writes.is_empty() || self.writes.contains(&ending(name))
    }

    /// Whether a sentence that is no question orders what this function alone does.
    fn is_ordered(&self, words: &Words, reach: &Reach<'_>) -> bool {
        let verbs = |of: &'static [(&str, &[&str])]| {
            let own = of.iter().find(|(f, _)| *f == self.signature.function());
            own.map_or(&[][..], |(_, verbs)| *verbs)
        };
        let (own, of_a_file) = (verbs(&ALONE), verbs(&ALONE_OF_A_FILE));
        let of_its_files = verbs(&ALONE_OF_ITS_FILES);
        mood::orders(words).iter().any(|s| {
            let turned = || places::is_object(s, of_a_file, reach) && self.turns(words, reach);
            let its = || s.opened(of_its_files).is_some() && self.takes_all(words, reach);
            s.opened(own).is_some() || turned() || its()
        })
    }

    /// Whether the files that are named, or where none is every readable one, are all read by this tool.
    fn takes_all(&self, words: &Words, reach: &Reach<'_>) -> bool {
        let named = reach.named(words);
        match named.is_empty() {
            true => self.takes(reach).len() == reach.readable().count(),
            false => named.iter().all(|file| self.reads(&file.name)),
        }
    }

    /// Whether a file that is named to be read is one that asks for this function.
    fn is_of(&self, named: &[&Known]) -> bool {
        let function = self.signature.function();
        let own = ASKED_BY_A_FILE.iter().find(|(f, _)| *f == function);
        own.is_some_and(|(_, endings)| {
            let mut named = named.iter().map(|file| ending(&file.name));
            named.any(|ending| endings.contains(&ending.as_str()))
        })
    }

    /// Whether the file that is to be made has another ending than the one that is named to be read.
    fn turns(&self, words: &Words, reach: &Reach<'_>) -> bool {
        let place = places::save(words, reach).map(|place| ending(&place));
        let made = place.or_else(|| places::form(words).map(str::to_owned));
        match (reach.named(words).as_slice(), made) {
            ([file], Some(made)) => ending(&file.name) != made,
            _ => false,
        }
    }

    /// How many files the function takes one by one, not as a list.
    fn singles(&self) -> usize {
        let params = self.signature.params().iter();
        params
            .filter(|p| fill::is_single(&p.ty, Handle::Input))
            .count()
    }

    fn has(&self, handle: Handle) -> bool {
        self.signature
            .params()
            .iter()
            .any(|p| fill::handle(&p.ty) == Some(handle))
    }
}

/// Every function of every tool.
pub(crate) fn all(catalog: &Catalog) -> Vec<Offer> {
    let each = catalog.packages().flat_map(|p| {
        p.signatures().iter().map(|s| Offer {
            signature: s.clone(),
            accepts: p.accepts().to_vec(),
            writes: p.writes().to_vec(),
        })
    });
    described(each.collect())
}

/// Whether a function says what files hold, for the slots that depend on it: given files alone, it gives back columns.
pub(crate) fn describes(signature: &Signature) -> bool {
    let files = |ty: &Type| matches!(ty, Type::List(_)) && fill::handle(ty) == Some(Handle::Input);
    let alone = matches!(signature.params(), [only] if files(&only.ty));
    let told = match signature.result() {
        Some(Type::Result { ok: Some(ok), .. }) => ok,
        Some(ty) => ty,
        None => return false,
    };
    let has_columns = |ty: &Type| matches!(ty, Type::Record { fields, .. } if fields.iter().any(|f| f.name == "columns" && fill::needs_contents(&f.ty)));
    signature.function() == "describe" && alone && matches!(told, Type::List(of) if has_columns(of))
}

/// A function whose slots depend on contents takes only files of which these can be told.
pub(super) fn described(mut offers: Vec<Offer>) -> Vec<Offer> {
    let describers: Vec<Offer> = offers
        .iter()
        .filter(|o| describes(&o.signature))
        .cloned()
        .collect();
    let open = |o: &&mut Offer| {
        o.signature
            .params()
            .iter()
            .any(|p| fill::needs_contents(&p.ty))
    };
    for offer in offers.iter_mut().filter(open) {
        let tool = offer.signature.tool();
        let Some(describer) = describer(&describers, |d| &d.signature, tool) else {
            continue;
        };
        offer
            .accepts
            .retain(|ending| describer.accepts.contains(ending));
    }
    offers
}

/// Of functions that say what files hold, by their signatures, the one that does so for a tool: its own, otherwise the first.
pub(crate) fn describer<'s, T: Copy>(
    all: impl IntoIterator<Item = T>,
    signature: impl Fn(T) -> &'s Signature,
    tool: &str,
) -> Option<T> {
    let mut first = None;
    for one in all {
        if signature(one).tool() == tool {
            return Some(one);
        }
        first = first.or(Some(one));
    }
    first
}

/// The functions that could serve the request under the grants.
pub(crate) fn possible<'o>(
    words: &Words,
    reach: &Reach<'_>,
    offers: &'o [Offer],
) -> Vec<&'o Offer> {
    let allowed = |o: &&Offer| reach.grants().allows_tool(&o.signature.name());
    let found: Vec<&Offer> = offers
        .iter()
        .filter(allowed)
        .filter(|o| fits(words, reach, o))
        .collect();
    let found = writing(words, reach, found);
    alone(words, reach, measured(words, reach, found))
}

/// Who orders by a verb that is one function's own asks for that.
fn alone<'o>(words: &Words, reach: &Reach<'_>, found: Vec<&'o Offer>) -> Vec<&'o Offer> {
    let meant = found.iter().filter(|o| o.is_ordered(words, reach));
    let only: Vec<&Offer> = meant.copied().collect();
    let sentences = mood::orders(words);
    let nothing_else = sentences.iter().any(|s| s.opened(&NOTHING_ELSE).is_some());
    if only.is_empty() && !nothing_else {
        found
    } else {
        only
    }
}

/// Who names a file to write wants it written, in the form that its ending says: what cannot write, or writes other forms only, is no answer.
fn writing<'o>(words: &Words, reach: &Reach<'_>, found: Vec<&'o Offer>) -> Vec<&'o Offer> {
    let form = || places::made(words).map(|form| format!(".{form}"));
    let place = places::save(words, reach).or_else(form);
    let Some(place) = place.filter(|_| found.iter().any(|o| o.has(Handle::Output))) else {
        return found;
    };
    let fits = |o: &&Offer| o.has(Handle::Output) && o.makes(&place);
    found.into_iter().filter(fits).collect()
}

fn ending(name: &str) -> String {
    name.rsplit_once('.')
        .map(|(_, ending)| ending.to_lowercase())
        .unwrap_or_default()
}

/// Who asks how many, how much or per what wants a measure. Functions that only take rows of a table are no answer to that, unless the
/// request begins by asking for the rows; nor, where no file is named, is a tool that reads fewer of the granted files.
fn measured<'o>(words: &Words, reach: &Reach<'_>, found: Vec<&'o Offer>) -> Vec<&'o Offer> {
    let rows_first = words
        .all()
        .first()
        .is_some_and(|w| ROWS.contains(&w.stem.as_str()));
    let measuring = found.iter().filter(|o| fill::has_measures(&o.signature));
    let Some(most) = measuring.map(|o| o.takes(reach).len()).max() else {
        return found;
    };
    if rows_first || words.cue(&MEASURED).is_none() {
        return found;
    }
    let unnamed = reach.named(words).is_empty();
    let fits = |o: &&Offer| {
        let takes_rows = o
            .signature
            .params()
            .iter()
            .any(|p| fill::needs_contents(&p.ty))
            || o.singles() > 1;
        let takes_rows = takes_rows && !fill::has_measures(&o.signature);
        let beside = unnamed && o.has(Handle::Input) && o.takes(reach).len() < most;
        !takes_rows && !beside
    };
    found.into_iter().filter(fits).collect()
}

fn fits(words: &Words, reach: &Reach<'_>, offer: &Offer) -> bool {
    let named = reach.named(words);
    let asked = ONLY_WHEN_ASKED
        .iter()
        .find(|(f, _)| *f == offer.signature.function())
        .is_none_or(|(_, cues)| {
            words.cue(cues).is_some()
                || ends(words, cues)
                || offer.is_ordered(words, reach)
                || offer.is_of(&named)
        });
    asked
        && fill::sought(words, &offer.signature).is_some()
        && listed::fits(words, &offer.signature)
        && moves_fit(words, reach, offer)
        && brought_fit(words, reach, offer)
        && offer
            .signature
            .params()
            .iter()
            .all(|p| has_argument(words, reach, offer, &named, &p.ty))
}

/// Whether a path of the request has one of the endings among the cues.
fn ends(words: &Words, cues: &[&str]) -> bool {
    let mut paths = words.paths().map(str::to_lowercase);
    paths.any(|path| cues.iter().any(|c| c.starts_with('.') && path.ends_with(c)))
}

/// Moving is offered where the request names a file that may move and a place for it; then reading it is not what is asked.
fn moves_fit(words: &Words, reach: &Reach<'_>, offer: &Offer) -> bool {
    let moving = places::moves(words, reach).is_some();
    offer.has(Handle::Movable) == moving
}

/// A file that the signature calls by a preposition has to be brought in by one: "to ledger.xlsx" for `to`.
fn brought_fit(words: &Words, reach: &Reach<'_>, offer: &Offer) -> bool {
    let mut params = offer.signature.params().iter();
    params.all(|p| {
        let brought = fill::is_single(&p.ty, Handle::Input) && places::brings(&p.name);
        !brought || places::brought_by(words, reach, &p.name).is_some()
    })
}

fn has_argument(
    words: &Words,
    reach: &Reach<'_>,
    offer: &Offer,
    named: &[&Known],
    ty: &Type,
) -> bool {
    match (ty, fill::handle(ty)) {
        (Type::Option(_), _) => true,
        (Type::List(_), Some(Handle::Input)) => {
            let all_read = named.iter().all(|f| offer.reads(&f.name));
            let only_several = offer
                .signature
                .params()
                .iter()
                .any(|p| matches!(&p.ty, Type::Alias { name, .. } if name == "words"));
            all_read && !offer.takes(reach).is_empty() && !(only_several && named.len() == 1)
        }
        (_, Some(Handle::Input)) => match named {
            [] => offer.takes(reach).len() == offer.singles(),
            _ => named.len() == offer.singles() && named.iter().all(|f| offer.reads(&f.name)),
        },
        // Nothing is made for a question.
        (_, Some(Handle::Output)) => {
            let makes = |form: &str| offer.makes(&format!(".{form}"));
            let ordered = offer.is_ordered(words, reach) && places::form(words).is_none_or(makes);
            let made = || places::made(words).is_some_and(makes);
            places::save(words, reach).is_some()
                || (ordered || made()) && reach.only_writable_folder().is_some()
        }
        _ => true,
    }
}

/// What the request asks for in words that only a missing capability answers. No tool of this version deletes, sends or starts anything,
/// so a grant for it would change nothing.
pub(crate) fn lacking(words: &Words) -> Vec<Lacking> {
    let all = words.all();
    let first = all.iter().position(|w| !POLITE.contains(&w.fold.as_str()));
    let asked = |cues: &[&str]| {
        let verb = |(at, w): (usize, &Word)| {
            let plain = cues.contains(&w.fold.as_str());
            plain
                && (!NOUNS.contains(&w.fold.as_str()) || has_object(all.get(at.saturating_add(1))))
        };
        all.iter().enumerate().position(verb)
    };
    let each = BEYOND
        .iter()
        .filter_map(|(capability, verb, cues)| asked(cues).map(|at| (capability, verb, at)));
    each.map(|(capability, verb, at)| Lacking {
        capability,
        verb,
        first_word: Some(at) == first,
    })
    .collect()
}

/// Whether a word can be what a verb acts on: "mail the report", but not "mail costs".
fn has_object(next: Option<&Word>) -> bool {
    next.is_some_and(|w| w.role != Role::Plain || OBJECTS.contains(&w.fold.as_str()))
}
