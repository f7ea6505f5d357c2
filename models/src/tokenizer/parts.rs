//! What a GGUF file says about its tokenizer, checked once: after this, ids are in range and turn markers are control tokens.
//!
//! Keys: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#tokenizer>.

use std::collections::{HashMap, HashSet};

use super::Piece;
use crate::ModelError;
use crate::error::shown;
use crate::gguf::Gguf;

/// What a vocabulary may be. Reaching one refuses the file.
struct Limits {
    /// Tokens. 2^20: four times the largest in use.
    tokens: usize,
    /// One token as the file spells it, bytes. 2048: the longest in use are runs of spaces, under 400.
    token: usize,
}

const LIMITS: Limits = Limits {
    tokens: 1 << 20,
    token: 2048,
};

/// Turn markers are control tokens whatever the file calls them; early Gemma, Llama and Phi files call some of them plain text.
/// Not `<s>`: in Qwen it is an ordinary token, the one of HTML.
const MARKERS: &[&str] = &[
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
    "<|im_sep|>",
];

/// Control tokens that end a turn or a text, in whatever model they occur.
const ENDS: &[&str] = &[
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<|end|>",
    "<eos>",
    "</s>",
];

/// The tokenizers that `tokenizer.ggml.model` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `gpt2`: merges over bytes.
    ByteLevel,
    /// `llama`: merges by score over characters, single bytes for what is left.
    SentencePiece,
}

/// `tokenizer.ggml.token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl Kind {
    fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => return None,
        })
    }
}

/// Everything that a tokenizer is built from.
pub(super) struct Parts {
    pub(super) family: Family,
    pub(super) pre: Option<String>,
    pub(super) texts: Vec<String>,
    pub(super) kinds: Vec<Kind>,
    pub(super) scores: Vec<f32>,
    pub(super) merges: Vec<(String, String)>,
    pub(super) space_first: SpaceFirst,
    pub(super) ends: Vec<u32>,
    pub(super) bos: Option<u32>,
}

/// `tokenizer.ggml.add_space_prefix`: whether a text's first word gets a space before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpaceFirst {
    Added,
    AsIs,
}

pub(super) fn wrong(why: impl Into<String>) -> ModelError {
    ModelError::Tokenizer { why: why.into() }
}

impl Parts {
    pub(super) fn read(gguf: &Gguf<'_>) -> Result<Self, ModelError> {
        let family = match gguf.str("tokenizer.ggml.model")? {
            "gpt2" => Family::ByteLevel,
            "llama" => Family::SentencePiece,
            other => {
                return Err(wrong(format!(
                    "its kind `{}` is not known here",
                    shown(other)
                )));
            }
        };
        let texts = read_texts(gguf)?;
        let numbers = gguf.i32s("tokenizer.ggml.token_type")?;
        one_for_each(&texts, numbers.len(), "type")?;
        let kinds = numbers
            .zip(&texts)
            .map(kind)
            .collect::<Result<Vec<_>, _>>()?;
        let pre = gguf.find::<&str>("tokenizer.ggml.pre")?.map(str::to_owned);
        let space_first = match gguf.find::<bool>("tokenizer.ggml.add_space_prefix")? {
            Some(false) => SpaceFirst::AsIs,
            _ => SpaceFirst::Added,
        };
        let mut parts = Self {
            family,
            pre,
            texts,
            kinds,
            scores: Vec::new(),
            merges: Vec::new(),
            space_first,
            ends: Vec::new(),
            bos: None,
        };
        match family {
            Family::ByteLevel => {
                parts.merges = gguf
                    .strings("tokenizer.ggml.merges")?
                    .map(merge)
                    .collect::<Result<_, _>>()?
            }
            Family::SentencePiece => parts.scores = read_scores(gguf, &parts.texts)?,
        }
        parts.ends = parts.read_ends(gguf)?;
        parts.bos = parts.read_bos(gguf)?;
        Ok(parts)
    }

    fn read_ends(&self, gguf: &Gguf<'_>) -> Result<Vec<u32>, ModelError> {
        let mut ends = Vec::new();
        for key in [
            "tokenizer.ggml.eos_token_id",
            "tokenizer.ggml.eot_token_id",
            "tokenizer.ggml.eom_token_id",
        ] {
            ends.extend(self.control_at(gguf, key)?);
        }
        ends.extend(
            self.of_kind(Kind::Control)
                .filter(|(_, text)| ENDS.contains(text))
                .map(|(id, _)| id),
        );
        let mut seen = std::collections::HashSet::new();
        ends.retain(|id| seen.insert(*id));
        if ends.is_empty() {
            return Err(wrong("it names no token that ends a text"));
        }
        Ok(ends)
    }

    /// The first token of a prompt. Absent a word on it, as llama.cpp: wanted by SentencePiece models and by Llama 3.
    fn read_bos(&self, gguf: &Gguf<'_>) -> Result<Option<u32>, ModelError> {
        let usual =
            self.family == Family::SentencePiece || self.pre.as_deref() == Some("llama-bpe");
        let said = gguf.find::<bool>("tokenizer.ggml.add_bos_token")?;
        if !said.unwrap_or(usual) {
            return Ok(None);
        }
        let bos = self.control_at(gguf, "tokenizer.ggml.bos_token_id")?;
        match (said, bos) {
            (Some(true), None) => Err(wrong(
                "every text should begin with a token that it does not name",
            )),
            _ => Ok(bos),
        }
    }

    fn control_at(&self, gguf: &Gguf<'_>, key: &str) -> Result<Option<u32>, ModelError> {
        let Some(id) = gguf.find::<u32>(key)? else {
            return Ok(None);
        };
        match usize::try_from(id)
            .ok()
            .and_then(|index| self.kinds.get(index))
        {
            Some(Kind::Control) => Ok(Some(id)),
            _ => Err(wrong(format!("`{key}` is {id}, which is no control token"))),
        }
    }

    /// Ids and texts of all tokens of a kind.
    pub(super) fn of_kind(&self, wanted: Kind) -> impl Iterator<Item = (u32, &str)> {
        self.all()
            .filter(move |(_, _, kind)| *kind == wanted)
            .map(|(id, text, _)| (id, text))
    }

    /// Ids and texts of the tokens that text may become. Control, unknown and unused tokens are not among them.
    pub(super) fn for_text(&self) -> impl Iterator<Item = (u32, &str)> {
        self.all()
            .filter(|(_, _, kind)| matches!(kind, Kind::Normal | Kind::UserDefined))
            .map(|(id, text, _)| (id, text))
    }

    fn all(&self) -> impl Iterator<Item = (u32, &str, Kind)> {
        (0u32..)
            .zip(&self.texts)
            .zip(&self.kinds)
            .map(|((id, text), kind)| (id, text.as_str(), *kind))
    }

    /// What each token stands for; `bytes` undoes the family's spelling of ordinary tokens.
    pub(super) fn pieces(&self, bytes: impl Fn(&str) -> Vec<u8>) -> Vec<Piece> {
        let piece = |(_, text, kind): (u32, &str, Kind)| match kind {
            Kind::Normal => Piece::Text(bytes(text)),
            Kind::UserDefined => Piece::Text(text.as_bytes().to_vec()),
            Kind::Byte => byte(text).map_or(Piece::Nothing, |byte| Piece::Text(vec![byte])),
            Kind::Control => Piece::Control(text.to_owned()),
            Kind::Unknown | Kind::Unused => Piece::Nothing,
        };
        self.all().map(piece).collect()
    }

    /// The token of each single byte, for what no other token covers.
    pub(super) fn byte_tokens(&self) -> HashMap<u8, u32> {
        self.of_kind(Kind::Byte)
            .filter_map(|(id, text)| Some((byte(text)?, id)))
            .collect()
    }
}

fn read_texts(gguf: &Gguf<'_>) -> Result<Vec<String>, ModelError> {
    let texts = gguf.strings("tokenizer.ggml.tokens")?;
    if !(1..=LIMITS.tokens).contains(&texts.len()) {
        return Err(wrong(format!(
            "it has {} tokens, 1 to {} are read",
            texts.len(),
            LIMITS.tokens
        )));
    }
    let texts = texts.map(owned).collect::<Result<Vec<_>, _>>()?;
    let mut seen = HashSet::with_capacity(texts.len());
    let twice = texts
        .iter()
        .find(|text| !text.is_empty() && !seen.insert(text.as_str()));
    match twice {
        Some(text) => Err(wrong(format!("the token `{}` is there twice", shown(text)))),
        None => Ok(texts),
    }
}

/// Short arrays would leave tokens without, long ones belong to another vocabulary.
fn one_for_each(texts: &[String], found: usize, what: &str) -> Result<(), ModelError> {
    match found == texts.len() {
        true => Ok(()),
        false => Err(wrong(format!(
            "it has {} tokens and a {what} for {found}",
            texts.len()
        ))),
    }
}

fn read_scores(gguf: &Gguf<'_>, texts: &[String]) -> Result<Vec<f32>, ModelError> {
    let scores = gguf.f32s("tokenizer.ggml.scores")?;
    one_for_each(texts, scores.len(), "score")?;
    match scores.zip(texts).find(|(score, _)| !score.is_finite()) {
        Some((score, text)) => Err(wrong(format!(
            "the score of the token `{}` is {score}",
            shown(text)
        ))),
        None => Ok(scores.collect()),
    }
}

/// `<0x0A>` is byte 10.
fn byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok()
}

fn owned(bytes: &[u8]) -> Result<String, ModelError> {
    if bytes.len() > LIMITS.token {
        return Err(wrong(format!(
            "a token has {} bytes, the limit is {}",
            bytes.len(),
            LIMITS.token
        )));
    }
    text(bytes, "a token").map(str::to_owned)
}

fn text<'b>(bytes: &'b [u8], what: &str) -> Result<&'b str, ModelError> {
    std::str::from_utf8(bytes).map_err(|_| {
        wrong(format!(
            "{what} is not UTF-8: `{}`",
            shown(&String::from_utf8_lossy(bytes))
        ))
    })
}

fn kind((number, text): (i32, &String)) -> Result<Kind, ModelError> {
    if MARKERS.contains(&text.as_str()) {
        return Ok(Kind::Control);
    }
    match Kind::from_number(number) {
        Some(Kind::Byte) if byte(text).is_none() => {
            Err(wrong(format!("the token `{}` is no byte", shown(text))))
        }
        Some(kind) => Ok(kind),
        None => Err(wrong(format!(
            "the token `{}` is of type {number}",
            shown(text)
        ))),
    }
}

/// `a b`; the first of the two may itself begin with a space.
fn merge(bytes: &[u8]) -> Result<(String, String), ModelError> {
    let text = text(bytes, "a merge")?;
    let space = text
        .bytes()
        .skip(1)
        .position(|b| b == b' ')
        .map(|at| at.saturating_add(1));
    let parts = space.and_then(|at| Some((text.get(..at)?, text.get(at.saturating_add(1)..)?)));
    let (left, right) = parts
        .filter(|(_, right)| !right.is_empty())
        .ok_or_else(|| wrong(format!("the merge `{}` has not two parts", shown(text))))?;
    Ok((left.to_owned(), right.to_owned()))
}

#[cfg(test)]
pub(super) mod tests_support {
    use super::{Family, Kind, Parts, SpaceFirst};

    /// Parts from texts and kinds, for tests that need no model.
    pub(in crate::tokenizer) fn parts(
        family: Family,
        pre: Option<&str>,
        tokens: &[(&str, Kind)],
        scores: &[f32],
        merges: &[(&str, &str)],
    ) -> Parts {
        let ends = (0u32..)
            .zip(tokens)
            .filter(|(_, (_, kind))| *kind == Kind::Control)
            .map(|(id, _)| id)
            .collect();
        Parts {
            family,
            pre: pre.map(str::to_owned),
            texts: tokens.iter().map(|(text, _)| (*text).to_owned()).collect(),
            kinds: tokens.iter().map(|(_, kind)| *kind).collect(),
            scores: scores.to_vec(),
            merges: merges
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect(),
            space_first: SpaceFirst::AsIs,
            ends,
            bos: None,
        }
    }
}
