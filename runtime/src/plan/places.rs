//! What the request wants done to the paths it names: which is to be written, which moved and where to. What is only asked about is neither.

use super::fill::IDLE;
use super::mood::{Order, Orders, orders};
use super::offers::MEASURED;
use super::reach::{Known, Reach};
use crate::words::{ENDINGS, Role, Word, Words};

/// Verbs whose object is the file that is made: "make reports/q4.xlsx".
const MAKES: [&str; 12] = [
    "make",
    "create",
    "write",
    "produce",
    "generate",
    "build",
    "prepare",
    "draw",
    "draft",
    "update",
    "replace",
    "overwrite",
];
/// Verbs that put something into a file: "export it to reports/q4.xlsx".
const SAVES: [&str; 17] = [
    "save",
    "write",
    "export",
    "store",
    "put",
    "create",
    "make",
    "produce",
    "generate",
    "build",
    "prepare",
    "draw",
    "copy",
    "record",
    "update",
    "replace",
    "overwrite",
];
/// Verbs that hand something over, in a file or without one.
const GIVES: [&str; 6] = ["give", "provide", "deliver", "return", "want", "need"];
/// The same as participles: "the sums should be saved to reports/q4.xlsx".
const SAVED: [&str; 7] = [
    "saved", "written", "exported", "stored", "put", "copied", "placed",
];
/// Verbs that name what was there before and is to go.
const REPLACES: [&str; 3] = ["replace", "overwrite", "update"];
/// Verbs that may go over a file where a preposition says which: "save it as reports/q4.xlsx".
const KEEPS: [&str; 4] = ["save", "write", "export", "store"];
/// Words that bring in what a parameter is called by.
const BRINGS: [(&str, &[&str]); 1] = [("to", &["to", "into", "onto", "below"])];
/// Verbs whose object becomes something else: "convert it to reports/q4.xlsx".
const TURNS: [&str; 1] = ["convert"];
/// Forms of files that have a name beside their ending.
const FORMS: [(&str, &str); 7] = [
    ("excel", "xlsx"),
    ("opendocument", "ods"),
    ("libreoffice", "ods"),
    ("markdown", "md"),
    ("word", "docx"),
    ("web", "html"),
    ("webpage", "html"),
];
/// Names of forms that are words for something else too.
const AMBIGUOUS: [&str; 2] = ["word", "web"];
/// What a form is named of: "a Word document", "an html page".
const FORMED: [&str; 11] = [
    "document",
    "report",
    "page",
    "file",
    "workbook",
    "spreadsheet",
    "letter",
    "list",
    "summary",
    "overview",
    "table",
];
/// Words between a verb and the form of what it makes.
const ADJECTIVES: [&str; 8] = [
    "short", "brief", "simple", "small", "clean", "complete", "full", "detailed",
];
/// Words between a preposition and the name of a file.
const FILLERS: [&str; 21] = [
    "the",
    "a",
    "an",
    "new",
    "file",
    "workbook",
    "spreadsheet",
    "table",
    "report",
    "document",
    "letter",
    "folder",
    "excel",
    "word",
    "web",
    "page",
    "html",
    "markdown",
    "me",
    "us",
    "it",
];
/// Words that make "as" compare instead of name.
const COMPARED: [&str; 3] = ["same", "such", "as"];
/// Words that make "in" say where something stands already.
const STANDS: [&str; 16] = [
    "one", "ones", "that", "those", "which", "is", "are", "was", "were", "also", "as", "and",
    "not", "listed", "stated", "found",
];
const PREPOSITIONS: [&str; 16] = [
    "of", "from", "in", "into", "to", "by", "per", "for", "about", "with", "on", "at", "under",
    "as", "over", "across",
];
/// Verbs that ask for a move or a new name whatever else they stand with.
const MOVES: [&str; 3] = ["move", "rename", "relocate"];
/// Verbs that do only where their object is the file itself: not "put the total of a.xlsx in b.xlsx".
const MOVES_ITSELF: [&str; 6] = ["archive", "put", "transfer", "call", "shift", "file"];

/// What the request says of a place that could be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Save {
    /// It is to be written.
    Wanted(String),
    /// It is to be written, but a file stands there, and nothing says that its content may go.
    Taken(String),
}

/// How a path is brought in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brought {
    Made,
    Named,
    To,
    In,
}

/// The first path that is to be written.
pub(crate) fn save(words: &Words, reach: &Reach<'_>) -> Option<String> {
    words
        .paths()
        .find_map(|typed| match wanted(words, reach, typed) {
            Some(Save::Wanted(place)) => Some(place),
            _ => None,
        })
}

/// Whether a path is to be written. Never one that is granted for reading: it is an input.
pub(crate) fn wanted(words: &Words, reach: &Reach<'_>, typed: &str) -> Option<Save> {
    if reach.file(typed).is_some_and(|f| f.readable) {
        return None;
    }
    let place = reach.place(typed)?;
    let stands = reach.file(&place).is_some();
    let told = orders(words)
        .iter()
        .filter_map(|s| best(s, reach, typed))
        .max()?;
    match (stands, told) {
        (true, Strength::Over) | (false, _) => Some(Save::Wanted(place)),
        (true, Strength::New) => Some(Save::Taken(place)),
    }
}

/// What a sentence allows to be written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    /// A file that is not there yet.
    New,
    /// Also over one that is.
    Over,
}

fn best(sentence: &Orders, reach: &Reach<'_>, typed: &str) -> Option<Strength> {
    let all = sentence.words().all();
    let each = all.iter().enumerate().filter(|(_, w)| w.typed == typed);
    each.filter_map(|(at, _)| strength(sentence, reach, at))
        .max()
}

fn strength(sentence: &Orders, reach: &Reach<'_>, at: usize) -> Option<Strength> {
    let all = sentence.words().all();
    let (from, how) = brought(sentence, at)?;
    let verb = sentence.ordered(&SAVES, usize::MAX);
    let plain = |verbs: &[&str]| {
        let order = sentence.ordered(verbs, usize::MAX);
        order.is_some_and(|(order, _)| order == Order::Plain)
    };
    let compared = how == Brought::Named
        && all
            .iter()
            .take(from)
            .any(|w| COMPARED.contains(&w.fold.as_str()));
    let new = match how {
        Brought::Made => true,
        // Within a question that is handed on, only a new order brings a place.
        Brought::Named => !compared && (!sentence.asked(at) || verb.is_some()),
        Brought::To => {
            let turned = sentence.ordered(&TURNS, usize::MAX);
            verb.or(turned).is_some() || is_saved(all)
        }
        Brought::In => put_in(sentence, reach, at, from),
    };
    let over = plain(&REPLACES) || matches!(how, Brought::Named | Brought::To) && plain(&KEEPS);
    new.then_some(if over { Strength::Over } else { Strength::New })
}

/// The word that brings a path in, and how.
fn brought(sentence: &Orders, at: usize) -> Option<(usize, Brought)> {
    let all = sentence.words().all();
    let before = all.iter().enumerate().take(at).rev();
    let (from, word) = before
        .into_iter()
        .find(|(_, w)| !FILLERS.contains(&w.fold.as_str()))?;
    if from.saturating_add(1) < at && word.ends {
        return None;
    }
    let how = match word.fold.as_str() {
        "as" | "into" | "named" | "called" | "titled" => Brought::Named,
        "name" | "call" if sentence.opened(&["name", "call"]) == Some(from) => Brought::Named,
        "to" => Brought::To,
        "in" | "inside" | "under" => Brought::In,
        made if MAKES.contains(&made) => sentence.order(from).map(|_| Brought::Made)?,
        _ => return None,
    };
    Some((from, how))
}

/// The ending of the form that an order names without a path: "to csv", "as an Excel workbook".
pub(crate) fn form(words: &Words) -> Option<&'static str> {
    orders(words).iter().find_map(|sentence| {
        let mut forms = forms(sentence).into_iter();
        let named = |at| brought(sentence, at).is_some_and(|(_, how)| how != Brought::Made);
        let form = forms.find(|(at, _)| named(*at) || is_made(sentence, *at));
        form.map(|(_, ending)| ending)
    })
}

/// The ending of the form of a file that is ordered to be made, also where it has no name: "make an html page", "write it as a Word document".
pub(crate) fn made(words: &Words) -> Option<&'static str> {
    orders(words).iter().find_map(|sentence| {
        let verb = |verbs: &[&str]| sentence.ordered(verbs, usize::MAX).is_some();
        let ordered = verb(&SAVES) || verb(&MAKES);
        let named = |at| brought(sentence, at).is_some_and(|(_, how)| how != Brought::Made);
        let mut forms = forms(sentence).into_iter();
        let form = forms.find(|(at, _)| ordered && named(*at) || is_made(sentence, *at));
        form.map(|(_, ending)| ending)
    })
}

/// The words of a sentence that name a form, and the ending that it has.
fn forms(sentence: &Orders) -> Vec<(usize, &'static str)> {
    let all = sentence.words().all();
    let known = |at: usize, word: &Word| {
        let form = FORMS.iter().find(|(name, _)| *name == word.fold);
        let clear =
            |name: &str| !AMBIGUOUS.contains(&name) || is_formed(all, at) || word.typed == "Word";
        let form = form.filter(|(name, _)| clear(name));
        let ending = ENDINGS.iter().find(|ending| **ending == word.fold);
        form.map(|(_, ending)| *ending).or(ending.copied())
    };
    let plain = all
        .iter()
        .enumerate()
        .filter(|(_, w)| w.role == Role::Plain);
    plain
        .filter_map(|(at, word)| known(at, word).map(|ending| (at, ending)))
        .collect()
}

/// Whether what has a form is named behind it.
fn is_formed(all: &[Word], at: usize) -> bool {
    all.get(at.saturating_add(1))
        .is_some_and(|next| FORMED.contains(&next.fold.as_str()))
}

/// Whether a verb makes what has a form: "write a short Word report", "give me an html page".
fn is_made(sentence: &Orders, at: usize) -> bool {
    let all = sentence.words().all();
    let mut before = all.iter().take(at).rev();
    let verb = before.find(|w| {
        let fold = w.fold.as_str();
        !FILLERS.contains(&fold) && !ADJECTIVES.contains(&fold)
    });
    let makes = |w: &Word| MAKES.contains(&w.fold.as_str()) || GIVES.contains(&w.fold.as_str());
    is_formed(all, at) && verb.is_some_and(makes)
}

/// Whether a parameter's name is a preposition that may bring in its file.
pub(crate) fn brings(parameter: &str) -> bool {
    BRINGS.iter().any(|(name, _)| *name == parameter)
}

/// The readable file that an order brings in by the preposition that a parameter is called by.
pub(crate) fn brought_by<'r>(
    words: &Words,
    reach: &'r Reach<'_>,
    parameter: &str,
) -> Option<&'r Known> {
    let (_, prepositions) = BRINGS.iter().find(|(name, _)| *name == parameter)?;
    orders(words).iter().find_map(|sentence| {
        let all = sentence.words().all();
        let paths = all.iter().enumerate().filter(|(_, w)| w.role == Role::Path);
        let brought = paths.filter(|(at, _)| {
            let mut before = all.iter().take(*at).rev();
            let word = before.find(|w| !FILLERS.contains(&w.fold.as_str()));
            word.is_some_and(|w| prepositions.contains(&w.fold.as_str()))
        });
        let mut files = brought.filter_map(|(_, w)| reach.file(&w.typed));
        files.find(|file| file.readable)
    })
}

/// Whether a verb of the sentence is ordered of a file itself: "save a.ods as …", not "save the total of a.ods as …".
pub(super) fn is_object(sentence: &Orders, verbs: &[&str], reach: &Reach<'_>) -> bool {
    let Some(verb) = sentence.opened(verbs) else {
        return false;
    };
    let behind = sentence.words().all().iter().skip(verb.saturating_add(1));
    let object = behind
        .into_iter()
        .find(|w| !FILLERS.contains(&w.fold.as_str()));
    object.is_some_and(|w| {
        w.role == Role::Path && reach.file(&w.typed).is_some_and(|file| file.readable)
    })
}

/// "should be saved to", "goes to".
fn is_saved(all: &[Word]) -> bool {
    all.windows(2).any(|pair| match pair {
        [one, two] => {
            one.fold == "be" && SAVED.contains(&two.fold.as_str())
                || ["go", "goes"].contains(&one.fold.as_str()) && two.fold == "to"
        }
        _ => false,
    })
}

/// Whether no other path of the sentence is brought in as a place: then "in" would only say where something stands.
fn alone(sentence: &Orders, at: usize) -> bool {
    let all = sentence.words().all();
    let others = all
        .iter()
        .enumerate()
        .filter(|(other, w)| *other != at && w.role == Role::Path);
    !others
        .filter_map(|(other, _)| brought(sentence, other))
        .any(|(_, how)| how != Brought::In)
}

/// Whether "in" leads to a place, and does not say where something stands already.
fn leads(all: &[Word], from: usize) -> bool {
    let before = from.checked_sub(1).and_then(|at| all.get(at));
    before.is_none_or(|w| !STANDS.contains(&w.fold.as_str()))
}

/// "Put the sums in b.xlsx", "of a.xlsx give the sums in b.xlsx": behind the phrase of a verb that saves, or of one that gives from a file that
/// the sentence names before.
fn put_in(sentence: &Orders, reach: &Reach<'_>, at: usize, from: usize) -> bool {
    let before = || sentence.words().all().iter().take(from);
    let mut sources = before().filter(|w| w.role == Role::Path);
    let source = sources.any(|w| reach.file(&w.typed).is_some_and(|f| f.readable));
    let needed = if source { Order::Loose } else { Order::Plain };
    let saves = sentence
        .ordered(&SAVES, from)
        .is_some_and(|(order, _)| order >= needed);
    let gives = source && before().any(|w| GIVES.contains(&w.fold.as_str()));
    (saves || gives) && alone(sentence, at) && leads(sentence.words().all(), from)
}

/// The file that the request wants moved, and where to; only where a sentence of it orders a move.
pub(crate) fn moves<'r>(words: &Words, reach: &'r Reach<'_>) -> Option<(&'r Known, String)> {
    let sentences = orders(words);
    sentences.iter().find_map(|sentence| {
        let source = moved(words, sentence, reach)?;
        // A file that is there already is no place: two named files are two inputs, and nothing is moved over another.
        let path = sentence
            .words()
            .paths()
            .filter(|p| reach.file(p).is_none())
            .find_map(|p| reach.target(source, p));
        path.or_else(|| folder(sentence.words(), reach, source))
            .map(|to| (source, to))
    })
}

/// Whether a sentence orders this file to be moved, wherever to.
pub(crate) fn is_moved(words: &Words, reach: &Reach<'_>, file: &Known) -> bool {
    orders(words)
        .iter()
        .filter_map(|sentence| moved(words, sentence, reach))
        .any(|source| source == file)
}

/// The file that a sentence orders to be moved.
fn moved<'r>(words: &Words, sentence: &Orders, reach: &'r Reach<'_>) -> Option<&'r Known> {
    let known = |words: &Words| words.paths().find_map(|p| reach.file(p)).is_some();
    let first = |words: &Words| {
        let files = words.paths().filter_map(|p| reach.file(p));
        files.into_iter().find(|f| f.movable)
    };
    if sentence.opened(&MOVES).is_some() {
        // "There is a.txt. Rename it to b.txt."
        return if known(sentence.words()) {
            first(sentence.words())
        } else {
            first(words)
        };
    }
    let verb = sentence.opened(&MOVES_ITSELF)?;
    let all = sentence.words().all();
    let object = all
        .iter()
        .skip(verb.saturating_add(1))
        .find(|w| w.role == Role::Path || PREPOSITIONS.contains(&w.fold.as_str()))?;
    if sentence.words().cue(&MEASURED).is_some() || object.role != Role::Path {
        return None;
    }
    reach.file(&object.typed).filter(|f| f.movable)
}

/// A folder named by a plain word: "into archive", "to the folder old".
fn folder(words: &Words, reach: &Reach<'_>, source: &Known) -> Option<String> {
    let announced = |at: usize| {
        let before = (1..=2).filter_map(|back| words.stem_before(at, back));
        before
            .into_iter()
            .any(|s| ["to", "into", "folder", "in", "under", "directori"].contains(&s))
    };
    let plain = words
        .all()
        .iter()
        .enumerate()
        .filter(|(at, w)| w.role == Role::Plain && announced(*at));
    let named = plain.filter(|(_, w)| {
        !IDLE.contains(&w.fold.as_str()) && !["folder", "directory"].contains(&w.fold.as_str())
    });
    named
        .into_iter()
        .find_map(|(_, w)| reach.target(source, &w.typed))
}

/// Whether anything granted answers to a path in the request: it is read, written or moved, or something is moved there.
pub(crate) fn answered(words: &Words, reach: &Reach<'_>, typed: &str) -> bool {
    let file = reach.file(typed);
    let to = || {
        let sources = words.paths().filter_map(|p| reach.file(p));
        sources
            .filter(|f| is_moved(words, reach, f))
            .any(|f| reach.target(f, typed).is_some())
    };
    file.is_some_and(|f| f.readable || is_moved(words, reach, f))
        || matches!(wanted(words, reach, typed), Some(Save::Wanted(_)))
        || file.is_none() && to()
}
