//! SentencePiece (`llama`): neighbours are joined, the best-scored pair of all first, until no pair is a token; what is left over becomes bytes.
//!
//! The method of llama.cpp's `llm_tokenizer_spm`: among equal scores the leftmost pair, found with a heap and a linked list in `n log n`.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::parts::{Parts, SpaceFirst};

/// How a space is written in this family's tokens: U+2581.
const SPACE: &str = "\u{2581}";

/// Where a text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Fresh,
    Continued,
}

pub(super) struct SentencePiece {
    ids: HashMap<String, (u32, f32)>,
    bytes: HashMap<u8, u32>,
    space_first: SpaceFirst,
}

/// One piece of the text, linked to its neighbours; joined into its left neighbour it becomes empty.
#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    end: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that together are a token. Out of date when either has changed since, which the length tells.
struct Pair {
    left: usize,
    right: usize,
    score: f32,
    length: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Pair {}

impl SentencePiece {
    pub(super) fn new(parts: &Parts) -> Self {
        let score = |id: u32| {
            usize::try_from(id)
                .ok()
                .and_then(|index| parts.scores.get(index))
                .copied()
                .unwrap_or_default()
        };
        let ids = parts
            .for_text()
            .map(|(id, text)| (text.to_owned(), (id, score(id))))
            .collect();
        Self {
            ids,
            bytes: parts.byte_tokens(),
            space_first: parts.space_first,
        }
    }

    pub(super) fn encode(&self, text: &str, start: Start, out: &mut Vec<u32>) {
        let prefix = match (self.space_first, start) {
            (SpaceFirst::Added, Start::Fresh) => SPACE,
            _ => "",
        };
        let text = format!("{prefix}{}", text.replace(' ', SPACE));
        for symbol in self.join(&text) {
            let piece = text.get(symbol.start..symbol.end).unwrap_or_default();
            match self.ids.get(piece) {
                Some((id, _)) => out.push(*id),
                None => out.extend(piece.bytes().filter_map(|byte| self.bytes.get(&byte))),
            }
        }
    }

    fn join(&self, text: &str) -> Vec<Symbol> {
        let mut symbols = characters(text);
        let mut pairs: BinaryHeap<Pair> = (1..symbols.len())
            .filter_map(|right| self.pair(text, &symbols, right.checked_sub(1)?, right))
            .collect();
        while let Some(pair) = pairs.pop() {
            if let Some(symbol) = merge(&mut symbols, &pair) {
                let before = symbol
                    .previous
                    .and_then(|left| self.pair(text, &symbols, left, pair.left));
                let after = symbol
                    .next
                    .and_then(|right| self.pair(text, &symbols, pair.left, right));
                pairs.extend(before.into_iter().chain(after));
            }
        }
        symbols.retain(|symbol| symbol.start < symbol.end);
        symbols
    }

    fn pair(&self, text: &str, symbols: &[Symbol], left: usize, right: usize) -> Option<Pair> {
        let (start, end) = (symbols.get(left)?.start, symbols.get(right)?.end);
        let (_, score) = self.ids.get(text.get(start..end)?)?;
        Some(Pair {
            left,
            right,
            score: *score,
            length: end.checked_sub(start)?,
        })
    }
}

fn characters(text: &str) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = text
        .char_indices()
        .enumerate()
        .map(|(index, (start, c))| Symbol {
            start,
            end: start.saturating_add(c.len_utf8()),
            previous: index.checked_sub(1),
            next: index.checked_add(1),
        })
        .collect();
    if let Some(last) = symbols.last_mut() {
        last.next = None;
    }
    symbols
}

/// Joins the pair if it is still as it was found; returns the joined symbol.
fn merge(symbols: &mut [Symbol], pair: &Pair) -> Option<Symbol> {
    let right = *symbols.get(pair.right)?;
    let left = symbols.get_mut(pair.left)?;
    let whole = left.start < left.end && right.start < right.end;
    if !whole
        || left.next != Some(pair.right)
        || right.end.checked_sub(left.start) != Some(pair.length)
    {
        return None;
    }
    left.end = right.end;
    left.next = right.next;
    let joined = *left;
    if let Some(next) = right.next.and_then(|next| symbols.get_mut(next)) {
        next.previous = Some(pair.left);
    }
    if let Some(gone) = symbols.get_mut(pair.right) {
        gone.end = gone.start;
    }
    Some(joined)
}

/// The bytes that a token of this family is written for.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    text.replace(SPACE, " ").into_bytes()
}
