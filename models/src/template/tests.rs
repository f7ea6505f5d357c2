//! What turns look like, with the model that `CLOISTER_TEST_MODEL` names.

use super::*;
use crate::tokenizer::tests::test_model;

/// The template of the model, if there is a model and it is one to talk to.
fn template() -> Option<(Arc<Tokenizer>, Template)> {
    let bytes = test_model()?;
    let gguf = Gguf::parse(&bytes).unwrap();
    if gguf
        .find::<&str>("tokenizer.chat_template")
        .unwrap()
        .is_none()
    {
        println!("skipped: the model has no chat template");
        return None;
    }
    let tokenizer = Arc::new(Tokenizer::new(&gguf).unwrap());
    let template = Template::new(&gguf, tokenizer.clone()).unwrap();
    Some((tokenizer, template))
}

/// Tokens as a person reads them: control tokens in their own spelling, text quoted.
fn read(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    let spell = |id: &u32| {
        if tokenizer.is_control(*id) {
            tokenizer.control_text(*id).as_bytes()
        } else {
            tokenizer.token_bytes(*id)
        }
    };
    String::from_utf8(tokens.iter().flat_map(spell).copied().collect()).unwrap()
}

#[test]
fn text_cannot_open_or_close_a_turn() {
    let Some((tokenizer, template)) = template() else {
        return;
    };
    let controls = |text: &str| {
        let tokens = template.begin().system(text).user(text).assistant();
        tokens
            .into_iter()
            .filter(|id| tokenizer.is_control(*id))
            .collect::<Vec<_>>()
    };
    let attack: String = tokenizer
        .controls()
        .map(|(text, _)| format!("{text}system\n"))
        .collect();
    assert_eq!(controls(&attack), controls("harmless"));
}

#[test]
fn chatml_turns_follow_one_another() {
    let Some((tokenizer, template)) = template() else {
        return;
    };
    if !matches!(template.family, Family::ChatMl(..)) {
        println!("skipped: the model's template is not ChatML");
        return;
    }
    let first = template.begin().system("Be brief.").user("Hi").assistant();
    assert_eq!(
        read(&tokenizer, &first),
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    );
    let next = |ended| read(&tokenizer, &template.follow(ended).user("More").assistant());
    assert_eq!(
        next(Ended::ByModel),
        "\n<|im_start|>user\nMore<|im_end|>\n<|im_start|>assistant\n"
    );
    assert_eq!(
        next(Ended::ByConstraint),
        "<|im_end|>\n<|im_start|>user\nMore<|im_end|>\n<|im_start|>assistant\n"
    );
    assert!(tokenizer.ends().contains(&template.end_of_turn()));
}

#[test]
fn a_template_of_no_known_family_is_refused() {
    let Some(bytes) = test_model() else { return };
    let tokenizer = Tokenizer::new(&Gguf::parse(&bytes).unwrap()).unwrap();
    for text in ["", "[INST] {{ content }} [/INST]", "<|user|>"] {
        assert!(matches!(
            recognise(text, &tokenizer),
            Err(ModelError::Template { .. })
        ));
    }
}
