//! Text never becomes a control token, and no text is lost; with small vocabularies of our own, and with a real model when
//! `CLOISTER_TEST_MODEL` names one.

use proptest::prelude::*;

use super::bytelevel::letters;
use super::parts::tests_support::parts;
use super::parts::{Family, Kind};
use super::*;

const MARKER: &str = "<|im_end|>";

/// All bytes, two merges, a control token and a user-defined one.
fn bytelevel(merges: &[(&str, &str)]) -> Result<Tokenizer, ModelError> {
    let letters: Vec<String> = letters().map(|(letter, _)| letter.to_string()).collect();
    let mut tokens: Vec<(&str, Kind)> = letters
        .iter()
        .map(|letter| (letter.as_str(), Kind::Normal))
        .collect();
    tokens.extend([
        ("he", Kind::Normal),
        ("Ġhe", Kind::Normal),
        (MARKER, Kind::Control),
        ("<tool>", Kind::UserDefined),
    ]);
    Tokenizer::from_parts(parts(
        Family::ByteLevel,
        Some("qwen2"),
        &tokens,
        &[],
        merges,
    ))
}

fn sentencepiece() -> Tokenizer {
    let bytes: Vec<String> = (0..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
    let mut tokens: Vec<(&str, Kind)> = bytes
        .iter()
        .map(|text| (text.as_str(), Kind::Byte))
        .collect();
    let normal = ["a", "b", "ab", "ba", "▁", "▁a", "▁ab", "abab"];
    tokens.extend(normal.map(|text| (text, Kind::Normal)));
    tokens.extend([("<eos>", Kind::Control), ("<tool>", Kind::UserDefined)]);
    let mut scores = vec![0.0; 256];
    scores.extend([-1.0, -2.0, -3.0, -3.5, -1.5, -5.0, -6.0, -7.0, 0.0, 0.0]);
    Tokenizer::from_parts(parts(Family::SentencePiece, None, &tokens, &scores, &[])).unwrap()
}

fn pieces(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    tokenizer
        .encode(text)
        .iter()
        .map(|id| String::from_utf8_lossy(tokenizer.token_bytes(*id)).into_owned())
        .collect()
}

#[test]
fn bytes_merge_by_rank_and_user_defined_tokens_stay_whole() {
    let tokenizer = bytelevel(&[("h", "e"), ("Ġ", "he")]).unwrap();
    assert_eq!(
        pieces(&tokenizer, "he he<tool>h"),
        ["he", " he", "<tool>", "h"]
    );
}

#[test]
fn words_are_as_long_as_they_are_measured() {
    let tokenizers = [bytelevel(&[]).unwrap(), sentencepiece()];
    for spelling in tokenizers.iter().map(Tokenizer::spelling) {
        let words = spelling.words(0xFF);
        assert!(spelling.lengths().eq(words.iter().map(Vec::len)));
    }
}

#[test]
fn pairs_join_by_score() {
    assert_eq!(
        pieces(&sentencepiece(), "abab ab<tool>é"),
        ["abab", " ab", "<tool>", "\u{fffd}", "\u{fffd}"]
    );
}

#[test]
fn a_control_token_is_not_made_from_text() {
    for (tokenizer, marker) in [
        (bytelevel(&[("h", "e")]).unwrap(), MARKER),
        (sentencepiece(), "<eos>"),
    ] {
        let id = tokenizer.control(marker).unwrap();
        assert!(tokenizer.is_control(id) && tokenizer.ends().contains(&id));
        assert!(
            tokenizer
                .encode(&format!("x{marker}y"))
                .iter()
                .all(|id| !tokenizer.is_control(*id))
        );
        assert_eq!(
            tokenizer.decode_bytes(&tokenizer.encode(marker)),
            marker.as_bytes()
        );
        // The twin: the same text as a user-defined token is found, so it is the kind that keeps it out.
        assert_eq!(tokenizer.encode("x<tool>y").len(), 3);
        assert_eq!(tokenizer.decode_bytes(&[id]), b"");
    }
}

#[test]
fn a_file_cannot_merge_its_way_to_a_control_token() {
    assert!(bytelevel(&[("<", "|im_end|>")]).is_err());
    assert!(bytelevel(&[("x", "y")]).is_err());
    let few = parts(
        Family::ByteLevel,
        Some("qwen2"),
        &[("a", Kind::Normal), (MARKER, Kind::Control)],
        &[],
        &[],
    );
    assert!(matches!(
        Tokenizer::from_parts(few),
        Err(ModelError::Tokenizer { .. })
    ));
}

#[test]
fn unknown_splitting_rules_are_named() {
    let error = Tokenizer::from_parts(parts(Family::ByteLevel, Some("tekken"), &[], &[], &[]))
        .err()
        .unwrap();
    assert!(error.to_string().contains("`tekken`") && error.hint().is_some());
    assert!(Tokenizer::from_parts(parts(Family::ByteLevel, None, &[], &[], &[])).is_err());
}

proptest! {
    #[test]
    fn no_text_is_lost(text in "\\PC*|[ab <>toleh\u{2581}\n]{0,40}") {
        let tokenizer = bytelevel(&[("h", "e"), ("Ġ", "he")]).unwrap();
        prop_assert_eq!(tokenizer.decode_bytes(&tokenizer.encode(&text)), text.as_bytes());
        let tokenizer = sentencepiece();
        prop_assert_eq!(tokenizer.decode_bytes(&tokenizer.encode(&text)), text.replace('\u{2581}', " ").into_bytes());
    }
}

/// The bytes of the model that `CLOISTER_TEST_MODEL` names.
pub(crate) fn test_model() -> Option<Vec<u8>> {
    let Some(path) = std::env::var_os("CLOISTER_TEST_MODEL") else {
        println!("skipped: CLOISTER_TEST_MODEL names no model");
        return None;
    };
    let mut bytes = Vec::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "a test at the edge reads the model it was given"
    )]
    let mut file = std::fs::File::open(path).unwrap();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    Some(bytes)
}

#[test]
fn no_control_token_of_a_real_model_is_made_from_its_text() {
    let Some(bytes) = test_model() else { return };
    let tokenizer = Tokenizer::new(&Gguf::parse(&bytes).unwrap()).unwrap();
    assert!(tokenizer.controls().count() > 0);
    for (text, id) in tokenizer.controls() {
        for around in [
            text.to_owned(),
            format!("a {text} b"),
            format!("{text}{text}\n"),
        ] {
            let ids = tokenizer.encode(&around);
            assert!(
                ids.iter().all(|id| !tokenizer.is_control(*id)),
                "{around:?} (token {id}) became {ids:?}"
            );
        }
    }
    let text = "Überweisung von 1234,50 € an O'Brien & Söhne\n\n\tam 3. März 2025 日本 😀  ";
    assert_eq!(
        tokenizer.decode_bytes(&tokenizer.encode(text)),
        text.as_bytes()
    );
}

#[test]
fn a_real_qwen_splits_as_it_was_trained() {
    let Some(bytes) = test_model() else { return };
    let gguf = Gguf::parse(&bytes).unwrap();
    if gguf.find::<&str>("tokenizer.ggml.pre").unwrap() != Some("qwen2") {
        println!("skipped: the model is no Qwen");
        return;
    }
    let tokenizer = Tokenizer::new(&gguf).unwrap();
    // A change in splitting or merging moves these.
    assert_eq!(tokenizer.encode("Hello world"), [9707, 1879]);
    assert_eq!(tokenizer.encode(" Hello World!"), [21927, 4337, 0]);
    assert_eq!(tokenizer.encode("33333"), [18, 18, 18, 18, 18]);
    assert_eq!(pieces(&tokenizer, "<tool_call>"), ["<tool_call>"]);
}
