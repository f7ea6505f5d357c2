//! What may be said next: constraints, and the mask over the vocabulary that they leave at each step (llguidance).
//! Everything is bounded by fuel instead of by a clock, so that the same constraint is refused on every machine.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, OnceLock};

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{
    InferenceCapabilities, SimpleVob, TokEnv, TokRxInfo, TokTrie, TokenizerEnv,
};
use llguidance::{ParserFactory, earley::SlicedBiasComputer};
use serde_json::{Value, json};

use crate::ModelError;
use crate::tokenizer::Tokenizer;

mod calls;

pub use calls::{Begun, Callable};

/// What a constraint may cost. Reaching one refuses the constraint, or ends the decoding that it guards.
struct Limits {
    /// Text of a schema, regular expression or Lark grammar, bytes. 256 KiB: our largest tool catalogue needs 20 KiB.
    grammar: usize,
    /// Alternatives of one choice. 20 000: the granted files of a large folder, or the values of a column.
    alternatives: usize,
    /// All alternatives of one choice together, bytes. 2 MiB: 20 000 file names of a hundred bytes.
    alternative_bytes: usize,
    /// Building the lexer, fuel. llguidance spends some 50 000 a millisecond, so this is 0.1 s; time itself is not asked.
    compile_fuel: u64,
    /// Computing one mask, fuel. 14 000 a millisecond: 15 ms, less than one forward of the smallest model.
    mask_fuel: u64,
    /// Earley items for one mask. 20 000 a millisecond: 2.5 ms.
    mask_items: usize,
    /// States of the lexer, 1 to 2 kB each. 50 000: 100 MB at worst.
    lexer_states: usize,
    /// Symbols in productions. 500 000: a few MB.
    symbols: usize,
    /// Tokens of a vocabulary. 2^20: four times the largest in use; the trie addresses twice that.
    tokens: usize,
    /// One token, bytes. 1024: what a node of the trie can count back.
    token: usize,
    /// All tokens together, bytes. 4 000 000: every byte may become a node of the trie, which addresses 2^22.
    token_bytes: usize,
}

const LIMITS: Limits = Limits {
    grammar: 256 << 10,
    alternatives: 20_000,
    alternative_bytes: 2 << 20,
    compile_fuel: 5_000_000,
    mask_fuel: 200_000,
    mask_items: 50_000,
    lexer_states: 50_000,
    symbols: 500_000,
    tokens: 1 << 20,
    token: 1024,
    token_bytes: 4_000_000,
};

fn refused(why: impl ToString) -> ModelError {
    ModelError::Grammar {
        why: why.to_string(),
    }
}

/// A factory of parsers over one vocabulary, or why there is none.
type Made = Result<ParserFactory, String>;

/// The tokens of a model as a trie over their bytes. Made once for each engine; cheap to share.
pub struct Vocabulary {
    /// The trie. It takes as long to make as all else that text needs, and most plans ask for no token at all, so it waits for the first constraint.
    plain: LazyLock<Made, Box<dyn FnOnce() -> Made + Send>>,
    /// The same with slices: tries of the tokens that the inside of a string may consist of, whose masks are then at hand. A dozen of them take
    /// longer to make than all else in a vocabulary, so they wait for the first constraint that is better off with them.
    sliced: OnceLock<Made>,
}

/// How many tokens may follow at a step.
#[derive(Clone, Copy, Debug)]
enum Width {
    /// A few: only their branches of the trie are walked.
    Narrow,
    /// Nearly all, as within a string.
    Wide,
}

/// The trie, and the tokenizer that says which tokens a forced text consists of.
struct Env {
    trie: TokTrie,
    tokenizer: Option<Arc<Tokenizer>>,
}

impl TokenizerEnv for Env {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        match &self.tokenizer {
            Some(tokenizer) => self
                .trie
                .tokenize_with_greedy_fallback(bytes, |text| tokenizer.encode_continued(text)),
            None => self.trie.greedy_tokenize(bytes),
        }
    }
}

impl Vocabulary {
    /// The vocabulary of a tokenizer. Control tokens are in it only as ends, behind a mark that no UTF-8 text holds; no text can lead to one.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] when it has no end token or is beyond the limits.
    pub(crate) fn new(tokenizer: &Arc<Tokenizer>) -> Result<Self, ModelError> {
        let spelling = tokenizer.spelling();
        let ends = Ends::of(spelling.ends(), spelling.lengths())?;
        let tokenizer = Arc::clone(tokenizer);
        Ok(Self::lazily(move || {
            let words = tokenizer.spelling().words(TokTrie::SPECIAL_TOKEN_MARKER);
            ends.over(&words, Some(tokenizer))
        }))
    }

    /// Without a tokenizer: forced texts become the longest tokens.
    #[cfg(test)]
    fn from_words(words: Vec<Vec<u8>>, ends: &[u32]) -> Result<Self, ModelError> {
        let ends = Ends::of(ends, words.iter().map(Vec::len))?;
        Ok(Self::lazily(move || ends.over(&words, None)))
    }

    fn lazily(make: impl FnOnce() -> Made + Send + 'static) -> Self {
        Self {
            plain: LazyLock::new(Box::new(make)),
            sliced: OnceLock::new(),
        }
    }

    /// Makes what the first constraint on free text would wait for: some 0.3 s with 150 000 tokens.
    ///
    /// # Errors
    /// [`ModelError::Grammar`], which every such constraint would say.
    pub fn prepare(&self) -> Result<(), ModelError> {
        self.factory(Width::Wide).map(drop)
    }

    fn factory(&self, width: Width) -> Result<&ParserFactory, ModelError> {
        let plain = self.plain.as_ref().map_err(refused)?;
        let sliced = || {
            let slices = SlicedBiasComputer::general_slices();
            let sliced = plain.with_slices(&slices);
            sliced.map_err(|error| error.to_string())
        };
        match width {
            Width::Narrow => Ok(plain),
            Width::Wide => self.sliced.get_or_init(sliced).as_ref().map_err(refused),
        }
    }
}

/// The tokens that end a text, of a vocabulary that a trie can hold.
struct Ends {
    size: u32,
    first: u32,
    all: Vec<u32>,
}

impl Ends {
    /// Of as many tokens as there are lengths, in bytes.
    fn of(ends: &[u32], lengths: impl ExactSizeIterator<Item = usize>) -> Result<Self, ModelError> {
        let wrong = |why: &str| ModelError::Tokenizer {
            why: why.to_owned(),
        };
        let too_large = || wrong("its vocabulary is too large");
        let count = lengths.len();
        let (longest, bytes) = lengths.fold((0, 0_usize), |(longest, bytes), length| {
            (length.max(longest), bytes.saturating_add(length))
        });
        if count > LIMITS.tokens || longest > LIMITS.token || bytes > LIMITS.token_bytes {
            return Err(too_large());
        }
        let size = u32::try_from(count).map_err(|_| too_large())?;
        let first = *ends
            .first()
            .ok_or_else(|| wrong("it names no token that ends a text"))?;
        if ends.iter().any(|end| *end >= size) {
            return Err(wrong("an end token lies outside the vocabulary"));
        }
        Ok(Self {
            size,
            first,
            all: ends.to_vec(),
        })
    }

    /// The factory over the words that were measured.
    fn over(self, words: &[Vec<u8>], tokenizer: Option<Arc<Tokenizer>>) -> Made {
        let info = TokRxInfo::new(self.size, self.first);
        let trie = TokTrie::from(&info, words).with_eos_tokens(&self.all);
        let env: TokEnv = Arc::new(Env { trie, tokenizer });
        let caps = InferenceCapabilities {
            ff_tokens: true,
            ..InferenceCapabilities::default()
        };
        let factory = ParserFactory::new(&env, caps, &[]);
        let mut factory = factory.map_err(|error| error.to_string())?;
        *factory.quiet().limits_mut() = parser_limits();
        Ok(factory)
    }
}

fn parser_limits() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: LIMITS.compile_fuel,
        step_lexer_fuel: LIMITS.mask_fuel,
        step_max_items: LIMITS.mask_items,
        max_lexer_states: LIMITS.lexer_states,
        max_grammar_size: LIMITS.symbols,
        verbose_errors: false, // the state would put the text decoded so far into an error message
        ..ParserLimits::default()
    }
}

/// How a choice is seen to be over, when one alternative may be the beginning of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// After an alternative the model says that its turn is over. If no longer alternative begins like this one,
    /// there is nothing to say and the matcher is finished at once.
    Turn,
    /// After an alternative this text must follow; it is decoded too, but it is not part of [`Matcher::output`].
    /// No alternative may hold it, so it marks the end beyond doubt.
    With(String),
}

/// What an output must look like, before it is bound to a vocabulary.
#[derive(Clone, Debug)]
pub struct Constraint {
    grammar: TopLevelGrammar,
    width: Width,
    end: String,
}

impl Constraint {
    /// Exactly one of these texts, byte for byte. Duplicates count once.
    ///
    /// # Errors
    /// [`ModelError::Grammar`] when there is none, one is empty or holds the ending text, or they are beyond the limits.
    pub fn one_of(alternatives: &[String], end: End) -> Result<Self, ModelError> {
        let end = match end {
            End::Turn => String::new(),
            End::With(text) if text.is_empty() => return Err(refused("an ending text is empty")),
            End::With(text) => text,
        };
        let bytes: usize = alternatives.iter().map(String::len).sum();
        if alternatives.len() > LIMITS.alternatives || bytes > LIMITS.alternative_bytes {
            return Err(refused(format!(
                "{} alternatives of {bytes} bytes are too many",
                alternatives.len()
            )));
        }
        let mut lark = String::from("start: ONE\nONE: ");
        for (index, text) in alternatives.iter().enumerate() {
            check_alternative(text, &end)?;
            let or = if index == 0 { "" } else { "\n  | " };
            let _ = write!(lark, "{or}\"{}{}\"", escaped(text), escaped(&end)); // a String takes everything
        }
        if alternatives.is_empty() {
            return Err(refused("there is nothing to choose from"));
        }
        Ok(Self {
            grammar: TopLevelGrammar::from_lark(lark),
            width: Width::Narrow,
            end,
        })
    }

    /// A JSON document of this schema, compact: no white space between tokens, keys in the schema's order.
    ///
    /// # Errors
    /// [`ModelError::Grammar`] when the schema is not an object or too long. What it cannot mean shows in [`Constraint::start`].
    pub fn json_schema(schema: &Value) -> Result<Self, ModelError> {
        let mut schema = schema
            .as_object()
            .cloned()
            .ok_or_else(|| refused("a schema must be an object"))?;
        let compact =
            json!({"whitespace_flexible": false, "item_separator": ",", "key_separator": ":"});
        schema.insert("x-guidance".to_owned(), compact);
        let schema = Value::Object(schema);
        within(schema.to_string().len())?;
        Ok(Self {
            grammar: TopLevelGrammar::from_json_schema(schema),
            width: Width::Wide,
            end: String::new(),
        })
    }

    /// A text that this regular expression (Rust's syntax, anchored at both ends) matches as a whole.
    ///
    /// # Errors
    /// [`ModelError::Grammar`] when it is too long; a wrong one shows in [`Constraint::start`].
    pub fn regex(pattern: &str) -> Result<Self, ModelError> {
        within(pattern.len())?;
        Ok(Self {
            grammar: TopLevelGrammar::from_regex(pattern),
            width: Width::Wide,
            end: String::new(),
        })
    }

    /// A text of this grammar, in llguidance's dialect of Lark.
    ///
    /// # Errors
    /// [`ModelError::Grammar`] when it is too long; a wrong one shows in [`Constraint::start`].
    pub fn lark(grammar: &str) -> Result<Self, ModelError> {
        within(grammar.len())?;
        Ok(Self {
            grammar: TopLevelGrammar::from_lark(grammar.to_owned()),
            width: Width::Wide,
            end: String::new(),
        })
    }

    /// Compiles the constraint for this vocabulary; the first mask is computed too, so one that nothing fits is refused here.
    ///
    /// # Errors
    /// [`ModelError::Grammar`].
    pub fn start(&self, vocabulary: &Vocabulary) -> Result<Matcher, ModelError> {
        let factory = vocabulary.factory(self.width)?;
        let parser = factory.create_parser(self.grammar.clone());
        let mut matcher = Matcher {
            inner: llguidance::Matcher::new(parser),
            trie: factory.tok_env().clone(),
            mask: None,
            output: Vec::new(),
            end: self.end.clone(),
        };
        matcher.mask()?;
        Ok(matcher)
    }
}

fn within(bytes: usize) -> Result<(), ModelError> {
    if bytes > LIMITS.grammar {
        return Err(refused(format!(
            "its {bytes} bytes are more than {}",
            LIMITS.grammar
        )));
    }
    Ok(())
}

fn check_alternative(text: &str, end: &str) -> Result<(), ModelError> {
    if text.is_empty() {
        return Err(refused("an alternative is empty"));
    }
    if !end.is_empty() && text.contains(end) {
        return Err(refused(format!(
            "the alternative {text:?} holds the text {end:?} that ends it"
        )));
    }
    Ok(())
}

/// The text for a Lark string: everything but letters and digits as `\uXXXX`, so no character can mean anything to Lark.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_mul(2));
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\u{unit:04x}"); // a String takes everything
            }
        }
    }
    out
}

/// The tokens that may come next.
#[derive(Clone, Debug)]
pub struct Mask(SimpleVob);

impl Mask {
    /// Whether this token may come next.
    #[must_use]
    pub fn allows(&self, token: u32) -> bool {
        (token as usize) < self.0.len() && self.0.is_allowed(token)
    }

    /// How many tokens may come next.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.num_set()
    }

    /// The tokens that may come next, ascending.
    pub fn tokens(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter()
    }

    /// Bits of 32 tokens a word, lowest bit first; beyond the vocabulary all are zero.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        self.0.as_slice()
    }

    /// Bits of the sixteen tokens of a tile, lowest first.
    pub(crate) fn tile(&self, tile: u32) -> u16 {
        let word = self.words().get((tile / 2) as usize).copied();
        let half = word.unwrap_or_default() >> (tile % 2 * 16);
        (half & 0xffff) as u16
    }
}

/// A constraint at work: gives the mask, takes the token that was chosen.
#[derive(Clone)]
pub struct Matcher {
    inner: llguidance::Matcher,
    trie: TokEnv,
    mask: Option<Mask>,
    output: Vec<u8>,
    end: String,
}

impl Matcher {
    /// The tokens that may come next. Computed once a step, however often it is asked for.
    ///
    /// # Errors
    /// [`ModelError::Grammar`] when the output is finished, or when the step costs more than the limits allow.
    pub fn mask(&mut self) -> Result<&Mask, ModelError> {
        let mask = match self.mask.take() {
            Some(mask) => mask,
            None => Mask(self.inner.compute_mask().map_err(refused)?),
        };
        Ok(self.mask.insert(mask))
    }

    /// Takes the next token.
    ///
    /// # Errors
    /// [`ModelError::Grammar`] when the constraint does not allow it; the matcher is of no use afterwards.
    pub fn commit(&mut self, token: u32) -> Result<(), ModelError> {
        self.mask = None;
        self.inner.consume_token(token).map_err(refused)?;
        self.note(token);
        Ok(())
    }

    /// Takes the tokens that must come next whatever the model thinks, and returns them; none when there is a choice.
    /// They are the tokens the tokenizer itself would make of the forced text.
    ///
    /// # Errors
    /// [`ModelError::Grammar`] when the step costs more than the limits allow.
    pub fn forced(&mut self) -> Result<Vec<u32>, ModelError> {
        if self.finished() {
            return Ok(Vec::new());
        }
        let tokens = self.inner.consume_ff_tokens();
        if let Some(why) = self.inner.get_error() {
            return Err(refused(why));
        }
        if !tokens.is_empty() {
            self.mask = None;
        }
        for token in &tokens {
            self.note(*token);
        }
        Ok(tokens)
    }

    /// How many of `tokens` the constraint would take, one after the other. Costs much less than a mask; the matcher stays where it is.
    ///
    /// # Errors
    /// [`ModelError::Grammar`] when the step costs more than the limits allow.
    pub(crate) fn takes(&mut self, tokens: &[u32]) -> Result<usize, ModelError> {
        let size = self.trie.tok_trie().vocab_size();
        let known = tokens.iter().position(|token| *token as usize >= size);
        let tokens = tokens.get(..known.unwrap_or(tokens.len()));
        self.inner
            .validate_tokens(tokens.unwrap_or_default())
            .map_err(refused)
    }

    /// The masks at this place and after each of `tokens`, one after the other, for as long as they may be taken and have a choice behind
    /// them. The matcher stays where it is.
    ///
    /// # Errors
    /// As [`Matcher::mask`] at this place. What goes wrong further on ends the look ahead.
    pub(crate) fn ahead(&mut self, tokens: &[u32]) -> Result<Vec<Mask>, ModelError> {
        let mut masks = vec![self.mask()?.clone()];
        if tokens.is_empty() {
            return Ok(masks);
        }
        let mut scout = self.clone();
        for token in tokens {
            let allowed = masks.last().is_some_and(|mask| mask.allows(*token));
            if !allowed || scout.commit(*token).is_err() {
                break;
            }
            let free = scout.forced().is_ok_and(|run| run.is_empty()) && !scout.finished();
            match scout.mask() {
                Ok(mask) if free => masks.push(mask.clone()),
                _ => break,
            }
        }
        Ok(masks)
    }

    fn note(&mut self, token: u32) {
        let trie = self.trie.tok_trie();
        if !trie.eos_tokens().contains(&token) {
            self.output.extend_from_slice(trie.token(token));
        }
    }

    /// Whether the output is complete: either nothing may follow, or the model said that its turn is over.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.inner.is_stopped() && self.inner.stop_reason().is_ok()
    }

    /// The bytes decoded so far: the chosen alternative or the document, without end token and without the ending text.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        if self.finished() {
            self.output
                .strip_suffix(self.end.as_bytes())
                .unwrap_or(&self.output)
        } else {
            &self.output
        }
    }
}

#[cfg(test)]
mod tests;
