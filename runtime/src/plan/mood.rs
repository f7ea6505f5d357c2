//! How a sentence of the request is meant: a question changes nothing, and a verb is an order only where an order stands. Pure.

use crate::words::{Role, Word, Words};

/// Words before an order that are not part of it.
const POLITE: [&str; 37] = [
    "please",
    "kindly",
    "now",
    "can",
    "could",
    "would",
    "will",
    "you",
    "i",
    "i'd",
    "we",
    "need",
    "want",
    "like",
    "to",
    "let",
    "let's",
    "us",
    "me",
    "help",
    "go",
    "ahead",
    "and",
    "then",
    "just",
    "also",
    "so",
    "ok",
    "hi",
    "hello",
    "hey",
    "first",
    "next",
    "finally",
    "afterwards",
    "be",
    "kind",
];
/// Words that a question begins with.
const QUESTION: [&str; 30] = [
    "what", "which", "who", "whom", "whose", "when", "where", "why", "how", "is", "are", "was",
    "were", "am", "do", "does", "did", "has", "have", "had", "should", "shall", "may", "might",
    "must", "can", "could", "would", "will", "whether",
];
/// Verbs that hand a question on: "tell me whether …".
const ASKING: [&str; 17] = [
    "tell",
    "show",
    "say",
    "explain",
    "check",
    "verify",
    "see",
    "know",
    "find",
    "wonder",
    "ask",
    "describe",
    "confirm",
    "remember",
    "determine",
    "learn",
    "understand",
];
/// What such a question begins with.
const HANDED: [&str; 11] = [
    "what", "which", "who", "whom", "whose", "when", "where", "why", "how", "whether", "if",
];
/// Words behind which a verb is told of, or forbidden, not ordered.
const TOLD: [&str; 54] = [
    "i", "we", "you", "they", "he", "she", "it", "who", "that", "which", "what", "not", "never",
    "don't", "doesn't", "didn't", "cannot", "can't", "won't", "the", "a", "an", "this", "these",
    "those", "my", "our", "your", "their", "its", "no", "any", "every", "each", "all", "should",
    "must", "did", "do", "does", "would", "could", "can", "will", "may", "might", "was", "were",
    "is", "are", "been", "of", "for", "without",
];
/// What a sentence begins with that says first of what, and then what to do.
const LEADS: [&str; 9] = [
    "for", "from", "of", "in", "with", "using", "per", "by", "within",
];
const NEGATED: [&str; 9] = [
    "not", "never", "don't", "doesn't", "cannot", "can't", "won't", "without", "no",
];

/// How sure it is that a verb is an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// It could be one: enough for what spoils nothing.
    Loose,
    /// It begins the sentence or a clause of it, and nothing is negated.
    Plain,
}

/// One sentence that is no question.
#[derive(Debug)]
pub(crate) struct Orders {
    words: Words,
    /// Where a question begins that is handed on.
    asks: Option<usize>,
}

/// The sentences of the request that are no questions.
pub(crate) fn orders(words: &Words) -> Vec<Orders> {
    let sentences = words.sentences().into_iter();
    sentences
        .filter(|s| !is_question(s.all()))
        .map(|words| Orders {
            asks: handed_on(words.all()),
            words,
        })
        .collect()
}

impl Orders {
    pub(crate) fn words(&self) -> &Words {
        &self.words
    }

    /// Whether a place of the sentence lies in a question that is handed on.
    pub(crate) fn asked(&self, at: usize) -> bool {
        self.asks.is_some_and(|from| at > from)
    }

    /// Where one of these verbs is ordered before `end`, and how surely; the surest one.
    pub(crate) fn ordered(&self, verbs: &[&str], end: usize) -> Option<(Order, usize)> {
        let all = self.words.all();
        let each = all.iter().enumerate().take(end);
        let verbs = each.filter(|(_, w)| verbs.contains(&w.fold.as_str()));
        verbs
            .filter_map(|(at, _)| self.order(at).map(|order| (order, at)))
            .max_by_key(|(order, at)| (*order, std::cmp::Reverse(*at)))
    }

    /// Where one of these verbs opens an order: as the first word that is not polite, or behind "and" or "then".
    pub(crate) fn opened(&self, verbs: &[&str]) -> Option<usize> {
        let all = self.words.all();
        let opens = |at: usize| {
            at == opening(all)
                || before(all, at).is_some_and(|w| ["and", "then"].contains(&w.fold.as_str()))
        };
        all.iter()
            .enumerate()
            .filter(|(_, w)| verbs.contains(&w.fold.as_str()))
            .map(|(at, _)| at)
            .find(|at| opens(*at) && !self.asked(*at))
    }

    /// Whether the verb at a place is an order, and how surely.
    pub(crate) fn order(&self, at: usize) -> Option<Order> {
        let all = self.words.all();
        let negated = || all.iter().any(|w| NEGATED.contains(&w.fold.as_str()));
        let opens = at == opening(all);
        let before = before(all, at);
        let follows = |words: &[&str]| before.is_some_and(|w| words.contains(&w.fold.as_str()));
        let linked = before.is_some_and(|w| w.ends) || follows(&["and", "then", "also", "please"]);
        if opens || linked && !follows(&NEGATED) {
            let sure = !self.asked(at) && !negated();
            return Some(if sure { Order::Plain } else { Order::Loose });
        }
        // "For each customer give", "of a.xlsx write", "use a.xlsx to make": what comes before the verb is no subject.
        let first = all.get(opening(all));
        let led = first.is_some_and(|w| LEADS.contains(&w.fold.as_str())) && !follows(&TOLD);
        let free = follows(&["to"]) || before.is_some_and(|w| w.role == Role::Path) || led;
        (free && !self.asked(at)).then_some(Order::Loose)
    }
}

/// Where the order itself begins.
fn opening(all: &[Word]) -> usize {
    let polite = |w: &Word| POLITE.contains(&w.fold.as_str());
    all.iter().position(|w| !polite(w)).unwrap_or(all.len())
}

fn before(all: &[Word], at: usize) -> Option<&Word> {
    all.get(at.checked_sub(1)?)
}

/// A sentence that begins as a question does, or ends as one without asking somebody to do something.
fn is_question(all: &[Word]) -> bool {
    let asks_for = [
        "please", "kindly", "now", "and", "then", "so", "also", "ok", "hi", "hello", "hey", "but",
        "well",
    ];
    let mut rest = all
        .iter()
        .map(|w| w.fold.strip_suffix("n't").unwrap_or(&w.fold))
        .skip_while(|w| asks_for.contains(w));
    let (first, second) = (rest.next(), rest.next());
    let polite = first.is_some_and(|f| ["can", "could", "would", "will"].contains(&f))
        && second == Some("you");
    let begins = first.is_some_and(|f| QUESTION.contains(&f));
    let ends = all.last().is_some_and(|w| w.stop == Some('?'));
    !polite && (begins || ends)
}

fn handed_on(all: &[Word]) -> Option<usize> {
    let verb = all.iter().position(|w| ASKING.contains(&w.fold.as_str()))?;
    let behind = all.iter().enumerate().skip(verb.saturating_add(1));
    behind
        .filter(|(_, w)| HANDED.contains(&w.fold.as_str()))
        .map(|(at, _)| at)
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str, verb: &str) -> Option<Order> {
        let all = orders(&Words::read(text));
        all.iter()
            .find_map(|s| s.ordered(&[verb], usize::MAX))
            .map(|(order, _)| order)
    }

    #[test]
    fn a_question_orders_nothing() {
        for text in [
            "Is a.xlsx what we save as b.xlsx",
            "Isn't b.xlsx where we save it",
            "so, do we save a.xlsx to b.xlsx",
            "We save it to b.xlsx, right ?",
            "Could we save it to b.xlsx?",
            "Tell me whether we save it to b.xlsx.",
            "Show how to save it as b.xlsx",
            "The files we save are in b.xlsx",
            "Never save it to b.xlsx",
            "Sum up a.xlsx but don't save it",
        ] {
            assert_eq!(order(text, "save"), None, "{text}");
        }
    }

    #[test]
    fn an_order_may_be_polite_and_may_follow_a_question() {
        for text in [
            "Save it to b.xlsx",
            "Could you please save it to b.xlsx?",
            "I would like you to save it to b.xlsx",
            "What did they buy? Save it to b.xlsx.",
            "Total per customer, save it to b.xlsx",
            "Sum it up and save it to b.xlsx",
        ] {
            assert_eq!(order(text, "save"), Some(Order::Plain), "{text}");
        }
    }

    #[test]
    fn what_could_be_an_order_is_told_from_what_is_one() {
        for text in [
            "Tell me how much they bought and save it to b.xlsx",
            "Use a.xlsx to save the sums to b.xlsx",
            "For every customer save the sum to b.xlsx",
            "Save nothing but the sums, and not to b.xlsx",
        ] {
            assert_eq!(order(text, "save"), Some(Order::Loose), "{text}");
        }
    }
}
