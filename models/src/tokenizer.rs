//! Text to tokens and back, by the vocabulary that a GGUF file carries.
//! Text never becomes a control token: those are not in the vocabulary that text is looked up in.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::ModelError;
use crate::gguf::Gguf;

mod bytelevel;
mod parts;
mod sentencepiece;

use bytelevel::ByteLevel;
use parts::{Kind, Parts};
use sentencepiece::SentencePiece;

/// Encodes and decodes for one model.
pub struct Tokenizer {
    literals: Literals,
    model: Model,
    spelling: Spelling,
    control: HashMap<String, u32>,
    bos: Option<u32>,
}

/// What each token stands for.
pub(crate) struct Spelling {
    pieces: Vec<Piece>,
    ends: Vec<u32>,
}

enum Model {
    ByteLevel(Box<ByteLevel>),
    SentencePiece(SentencePiece),
}

/// One token: what it stands for in text. Control and unused tokens stand for nothing.
enum Piece {
    Text(Vec<u8>),
    Control(String),
    Nothing,
}

/// Tokens that the file marks as user defined (`<tool_call>`): found in text as a whole, before anything is split.
struct Literals {
    find: AhoCorasick,
    ids: Vec<u32>,
}

impl Tokenizer {
    /// Reads the `tokenizer.ggml.*` keys.
    ///
    /// # Errors
    /// [`ModelError::Pretokenizer`] for splitting rules that are not known, [`ModelError::Tokenizer`] for a vocabulary that contradicts
    /// itself, and the errors of [`Gguf::need`] for keys that are missing.
    pub fn new(gguf: &Gguf<'_>) -> Result<Self, ModelError> {
        Self::from_parts(Parts::read(gguf)?)
    }

    fn from_parts(mut parts: Parts) -> Result<Self, ModelError> {
        let spelling = Spelling::of(&mut parts);
        let model = Model::new(&mut parts)?;
        let control = parts
            .of_kind(Kind::Control)
            .map(|(id, text)| (text.to_owned(), id))
            .collect();
        Ok(Self {
            model,
            literals: Literals::new(&parts)?,
            spelling,
            control,
            bos: parts.bos,
        })
    }

    /// What each token stands for.
    pub(crate) fn spelling(&self) -> &Spelling {
        &self.spelling
    }

    /// The tokens of a text that begins here: after a control token, or at the start of everything.
    /// Whatever the text holds, none of them is a control token. A byte that the model has no token for (SmolLM2 knows no control
    /// characters but the usual white space) is left out, as it was when the model was trained.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.pieces_of(text, sentencepiece::Start::Fresh)
    }

    /// The tokens of a text that goes on where another ended. Differs from [`Tokenizer::encode`] only for models that put a space before
    /// the first word of a text.
    #[must_use]
    pub fn encode_continued(&self, text: &str) -> Vec<u32> {
        self.pieces_of(text, sentencepiece::Start::Continued)
    }

    fn pieces_of(&self, text: &str, start: sentencepiece::Start) -> Vec<u32> {
        let mut out = Vec::with_capacity(text.len() / 3);
        let mut rest = text;
        let mut start = start;
        while let Some((before, id, after)) = self.literals.first(rest) {
            self.fragment(before, start, &mut out);
            out.push(id);
            rest = after;
            start = sentencepiece::Start::Fresh;
        }
        self.fragment(rest, start, &mut out);
        out
    }

    fn fragment(&self, text: &str, start: sentencepiece::Start, out: &mut Vec<u32>) {
        if text.is_empty() {
            return;
        }
        match &self.model {
            Model::ByteLevel(model) => model.encode(text, out),
            Model::SentencePiece(model) => model.encode(text, start, out),
        }
    }

    /// The control token written exactly so (`<|im_start|>`), if the model has it. Templates are built from these.
    #[must_use]
    pub fn control(&self, name: &str) -> Option<u32> {
        self.control.get(name).copied()
    }

    /// All control tokens by their text, in no order.
    pub fn controls(&self) -> impl Iterator<Item = (&str, u32)> {
        self.control.iter().map(|(text, id)| (text.as_str(), *id))
    }

    /// Whether this token is a control token.
    #[must_use]
    pub fn is_control(&self, id: u32) -> bool {
        matches!(self.spelling.piece(id), Some(Piece::Control(_)))
    }

    /// How a control token is written; empty for every other token.
    #[cfg(test)]
    pub(crate) fn control_text(&self, id: u32) -> &str {
        match self.spelling.piece(id) {
            Some(Piece::Control(text)) => text,
            _ => "",
        }
    }

    /// The bytes that a token stands for; none for control tokens and for ids outside the vocabulary. May cut a character in two.
    #[must_use]
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        match self.spelling.piece(id) {
            Some(Piece::Text(bytes)) => bytes,
            _ => &[],
        }
    }

    /// The bytes that tokens stand for, one after the other.
    #[must_use]
    pub fn decode_bytes(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter()
            .flat_map(|id| self.token_bytes(*id))
            .copied()
            .collect()
    }

    /// How many tokens there are; ids are below this.
    #[must_use]
    pub fn size(&self) -> usize {
        self.spelling.pieces.len()
    }

    /// The tokens with which the model says that a turn or the text is over, the file's end-of-text token first; never empty.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.spelling.ends
    }

    /// The token that every prompt begins with, if the model wants one.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }
}

impl Model {
    fn new(parts: &mut Parts) -> Result<Self, ModelError> {
        Ok(match parts.family {
            parts::Family::ByteLevel => Self::ByteLevel(Box::new(ByteLevel::new(parts)?)),
            parts::Family::SentencePiece => Self::SentencePiece(SentencePiece::new(parts)),
        })
    }
}

impl Spelling {
    fn of(parts: &mut Parts) -> Self {
        let pieces = match parts.family {
            parts::Family::ByteLevel => parts.pieces(bytelevel::bytes),
            parts::Family::SentencePiece => parts.pieces(sentencepiece::bytes),
        };
        Self {
            pieces,
            ends: std::mem::take(&mut parts.ends),
        }
    }

    /// As [`Tokenizer::ends`].
    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The bytes of each token, by its number; those of a control token come after a mark that no text holds.
    pub(crate) fn words(&self, mark: u8) -> Vec<Vec<u8>> {
        let word = |piece: &Piece| match piece {
            Piece::Text(bytes) => bytes.clone(),
            Piece::Control(text) => [&[mark], text.as_bytes()].concat(),
            Piece::Nothing => Vec::new(),
        };
        self.pieces.iter().map(word).collect()
    }

    /// How many bytes each of the words has.
    pub(crate) fn lengths(&self) -> impl ExactSizeIterator<Item = usize> {
        self.pieces.iter().map(|piece| match piece {
            Piece::Text(bytes) => bytes.len(),
            Piece::Control(text) => text.len().saturating_add(1),
            Piece::Nothing => 0,
        })
    }

    fn piece(&self, id: u32) -> Option<&Piece> {
        self.pieces.get(usize::try_from(id).ok()?)
    }
}

impl Literals {
    fn new(parts: &Parts) -> Result<Self, ModelError> {
        let (texts, ids): (Vec<&str>, Vec<u32>) = parts
            .of_kind(Kind::UserDefined)
            .filter(|(_, text)| !text.is_empty())
            .map(|(id, text)| (text, id))
            .unzip();
        // Left to itself it builds a table of a thousand bytes for each byte of a few long tokens.
        let find = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::LeftmostLongest)
            .build(texts)
            .map_err(|e| ModelError::Tokenizer { why: e.to_string() })?;
        Ok(Self { find, ids })
    }

    /// The first such token in the text, with what stands before and after it.
    fn first<'t>(&self, text: &'t str) -> Option<(&'t str, u32, &'t str)> {
        if self.ids.is_empty() {
            return None;
        }
        let found = self.find.find(text)?;
        let id = self.ids.get(found.pattern().as_usize())?;
        Some((text.get(..found.start())?, *id, text.get(found.end()..)?))
    }
}

#[cfg(test)]
pub(crate) mod tests;
