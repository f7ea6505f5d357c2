//! Byte-level BPE (`gpt2`), by the `tokenizers` crate: a regular expression splits text, merges join the bytes of each piece.
//!
//! The expressions are llama.cpp's (`llama-vocab.cpp`, by `tokenizer.ggml.pre`), which are those the models were trained with.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel as Bytes;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{SplitDelimiterBehavior, Tokenizer as Engine};

use super::parts::{Parts, wrong};
use crate::ModelError;
use crate::error::shown;

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How text is cut before merging.
struct Rules {
    /// Applied one after the other; each cuts what the one before left.
    splits: &'static [&'static str],
    /// Whether a piece that is a token as a whole is taken without looking at merges.
    whole_pieces: WholePieces,
}

#[derive(PartialEq)]
enum WholePieces {
    Taken,
    Merged,
}

fn rules(pre: Option<&str>) -> Result<Rules, ModelError> {
    let merged = |splits| {
        Ok(Rules {
            splits,
            whole_pieces: WholePieces::Merged,
        })
    };
    match pre {
        Some("qwen2" | "deepseek-r1-qwen") => merged(&[QWEN2]),
        Some("gpt-4o") => merged(&[GPT4O]), // Phi 4 mini
        Some("dbrx") => merged(&[LLAMA3]),  // Phi 4
        Some("gpt-2") => merged(&[GPT2]),
        Some("smollm") => merged(&[r"\p{N}", GPT2]),
        Some("default") => merged(&[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"]),
        Some("llama-bpe" | "llama3" | "llama-v3") => Ok(Rules {
            splits: &[LLAMA3],
            whole_pieces: WholePieces::Taken,
        }),
        other => Err(ModelError::Pretokenizer {
            pre: shown(other.unwrap_or("nothing")),
        }),
    }
}

pub(super) struct ByteLevel {
    engine: Engine,
}

impl ByteLevel {
    /// Takes the merges out of the parts: nothing else needs them.
    pub(super) fn new(parts: &mut Parts) -> Result<Self, ModelError> {
        let Rules {
            splits,
            whole_pieces,
        } = rules(parts.pre.as_deref())?;
        let mut vocab = Vocab::with_capacity(parts.texts.len());
        vocab.extend(parts.for_text().map(|(id, text)| (text.to_owned(), id)));
        check(&vocab, &parts.merges)?;
        let merges = std::mem::take(&mut parts.merges);
        let model = BPE::builder()
            .vocab_and_merges(vocab, merges)
            .ignore_merges(whole_pieces == WholePieces::Taken)
            .build()
            .map_err(unbuilt)?;
        let mut engine = Engine::new(model);
        engine.with_pre_tokenizer(Some(splitter(splits)?));
        Ok(Self { engine })
    }

    pub(super) fn encode(&self, text: &str, out: &mut Vec<u32>) {
        // It fails only for a model with an unknown token that is not in its own vocabulary; there is none here, so it drops what no token covers.
        if let Ok(encoding) = self.engine.encode_fast(text, false) {
            out.extend_from_slice(encoding.get_ids());
        }
    }
}

fn splitter(splits: &[&str]) -> Result<Sequence, ModelError> {
    let mut steps = Vec::new();
    for pattern in splits {
        let pattern = SplitPattern::Regex((*pattern).to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
            .map_err(|e| wrong(e.to_string()))?;
        steps.push(PreTokenizerWrapper::Split(split));
    }
    steps.push(PreTokenizerWrapper::ByteLevel(Bytes::new(
        false, false, false,
    )));
    Ok(Sequence::new(steps))
}

/// Every printable byte of ASCII has a token, so whatever is no gibberish to the model is not lost (SmolLM2 has none for some others). That every
/// merge joins two tokens to a third is the builder's to look up; it relies on none to be longer than every token.
fn check(vocab: &Vocab, merges: &[(String, String)]) -> Result<(), ModelError> {
    let needed = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    let known = |letter: char| vocab.contains_key(letter.encode_utf8(&mut [0; 4]) as &str);
    let missing = |(letter, byte): &(char, u8)| needed(*byte) && !known(*letter);
    if let Some((_, byte)) = letters().find(missing) {
        return Err(wrong(format!("no token stands for the byte {byte}")));
    }
    let longest = vocab.keys().map(String::len).max().unwrap_or_default();
    let over = |(left, right): &&(String, String)| left.len().saturating_add(right.len()) > longest;
    match merges.iter().find(over) {
        Some((left, right)) => Err(no_token(&format!("{left}{right}"))),
        None => Ok(()),
    }
}

fn unbuilt(error: tokenizers::Error) -> ModelError {
    match error.downcast_ref() {
        Some(tokenizers::models::bpe::Error::MergeTokenOutOfVocabulary(text)) => no_token(text),
        _ => wrong(error.to_string()),
    }
}

fn no_token(text: &str) -> ModelError {
    wrong(format!(
        "a merge names the token `{}`, which is not there",
        shown(text)
    ))
}

/// GPT-2's spelling of bytes: printable ones stand for themselves, the others, in order, for letters from U+0100 on.
fn byte(letter: char) -> Option<u8> {
    let byte = match u32::from(letter) {
        plain @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => plain,
        moved @ 0x100..=0x120 => moved - 0x100,
        moved @ 0x121..=0x142 => moved - 0x121 + 0x7F,
        0x143 => 0xAD,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

/// The letters that bytes are written as, each with its byte.
pub(super) fn letters() -> impl Iterator<Item = (char, u8)> {
    ('\0'..='\u{143}').filter_map(|letter| Some((letter, byte(letter)?)))
}

/// The bytes that a token of this family is written for.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    let spelled: Option<Vec<u8>> = text.chars().map(byte).collect();
    spelled.unwrap_or_else(|| text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_letter() {
        let mut bytes: Vec<u8> = letters().map(|(_, byte)| byte).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        // As in GPT-2's `bytes_to_unicode`: space, line feed, the soft hyphen.
        let spelled = ['\u{120}', '\u{10A}', '\u{143}'].map(byte);
        assert_eq!(spelled, [Some(b' '), Some(b'\n'), Some(0xAD)]);
    }
}
