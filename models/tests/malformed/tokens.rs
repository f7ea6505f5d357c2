//! Lies about the tokenizer: keys that are missing, lists that do not fit each other, tokens, merges and ids that cannot be.

use crate::draft::{Draft, f32s, i32s, text, texts, truth, u32};
use crate::sound::{draft, letters, sentencepiece};
use crate::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    [
        missing(),
        families(),
        lists(),
        words(),
        merges(),
        ids(),
        scores(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn key(name: &str) -> String {
    format!("tokenizer.ggml.{name}")
}

fn refused(what: impl Into<String>, draft: Draft, why: &str) -> Case {
    case(
        what,
        draft.bytes(),
        format!("the file's tokenizer is refused: {why}"),
    )
}

/// The tokens of the sound file, changed.
fn tokens(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Draft {
    let mut all: Vec<Vec<u8>> = letters().into_iter().map(String::into_bytes).collect();
    all.extend([&b"ab"[..], b"<|im_end|>", b"<|im_start|>"].map(<[u8]>::to_vec));
    change(&mut all);
    draft("llama").with(&key("tokens"), texts(&all))
}

fn kinds(change: impl FnOnce(&mut Vec<i32>)) -> Draft {
    let mut all = vec![1; letters().len() + 1];
    all.extend([3, 3]);
    change(&mut all);
    draft("llama").with(&key("token_type"), i32s(&all))
}

fn missing() -> Vec<Case> {
    let gone = |of: &str, draft: Draft, name: &str| {
        let key = key(name);
        case(
            format!("{of} without {key}"),
            draft.without(&key).bytes(),
            format!("key `{key}` is missing"),
        )
    };
    let mut all: Vec<Case> = ["model", "tokens", "token_type", "merges"]
        .map(|name| gone("bytes", draft("llama"), name))
        .into();
    all.extend(
        ["model", "tokens", "token_type", "scores"]
            .map(|name| gone("sentences", sentencepiece(), name)),
    );
    all
}

fn families() -> Vec<Case> {
    let pre = |name: &str, draft: Draft| {
        case(
            format!("rules `{name}`"),
            draft.bytes(),
            format!("the tokenizer splits text by the rules `{name}`, which are not known here"),
        )
    };
    let mut all: Vec<Case> = ["bert", "t5", "rwkv", ""]
        .map(|name| {
            refused(
                format!("kind `{name}`"),
                draft("llama").with(&key("model"), text(name)),
                &format!("its kind `{name}` is not known here"),
            )
        })
        .into();
    all.push(pre("nothing", draft("llama").without(&key("pre"))));
    all.extend(
        ["", "gpt-5", "qwen2 "].map(|name| pre(name, draft("llama").with(&key("pre"), text(name)))),
    );
    all.push(pre(
        "\\u{7}",
        draft("llama").with(&key("pre"), text("\x07")),
    ));
    all
}

fn lists() -> Vec<Case> {
    let count = letters().len() + 3;
    let types = |what: &str, draft: Draft, found: usize| {
        refused(
            what,
            draft,
            &format!("it has {count} tokens and a type for {found}"),
        )
    };
    let none = texts::<&str>(&[]);
    let more = tokens(|all| all.push(b"one more".to_vec()));
    let mut both = more.clone();
    let mut more_kinds = vec![1; count + 1];
    more_kinds[count - 2..count].fill(3);
    both = both.with(&key("token_type"), i32s(&more_kinds));
    vec![
        refused(
            "no tokens",
            draft("llama").with(&key("tokens"), none),
            "it has 0 tokens, 1 to 1048576 are read",
        ),
        types("no types", kinds(Vec::clear), 0),
        types(
            "a type too few",
            kinds(|all| all.truncate(count - 1)),
            count - 1,
        ),
        types("a type too many", kinds(|all| all.push(1)), count + 1),
        refused(
            "a token without a type",
            more,
            &format!("it has {} tokens and a type for {count}", count + 1),
        ),
        case(
            "more tokens than embeddings",
            both.bytes(),
            format!(
                "the model's `tokenizer.ggml.tokens` is {}: the model has fewer embeddings than the tokenizer has tokens",
                count + 1
            ),
        ),
        million(),
    ]
}

/// A byte a token would be a vocabulary of a megabyte.
fn million() -> Case {
    let all: Vec<String> = (0..=1 << 20).map(|id: u32| id.to_string()).collect();
    refused(
        "a million tokens",
        draft("llama").with(&key("tokens"), texts(&all)),
        "it has 1048577 tokens, 1 to 1048576 are read",
    )
}

fn words() -> Vec<Case> {
    let mut all: Vec<Case> = [&b"\xff"[..], b"\xe2\x82", b"\xed\xa0\x80"]
        .map(|bytes| {
            let shown = String::from_utf8_lossy(bytes).escape_debug().to_string();
            refused(
                format!("token {}", bytes.escape_ascii()),
                tokens(|all| all[96] = bytes.to_vec()),
                &format!("a token is not UTF-8: `{shown}`"),
            )
        })
        .into();
    for length in [2_049, 1 << 20] {
        let long = tokens(|all| all[96] = vec![b'a'; length]);
        all.push(refused(
            format!("token of {length} bytes"),
            long,
            &format!("a token has {length} bytes, the limit is 2048"),
        ));
    }
    for (id, text) in [(0, "!"), (64, "a"), (97, "<|im_end|>")] {
        let id = if id == 64 {
            letters().iter().position(|letter| letter == "a").unwrap()
        } else {
            id
        };
        let twice = tokens(|all| all[96] = all[id].clone());
        all.push(refused(
            format!("`{text}` twice"),
            twice,
            &format!("the token `{text}` is there twice"),
        ));
    }
    for (letter, byte) in [(" ", 32), ("\n", 10), ("!", 33), ("A", 65), ("~", 126)] {
        let spelled = match letter {
            " " => "Ġ",
            "\n" => "Ċ",
            other => other,
        };
        let id = letters()
            .iter()
            .position(|letter| letter == spelled)
            .unwrap();
        let lost = tokens(|all| all[id] = b"xyz".to_vec());
        all.push(refused(
            format!("no token for {letter:?}"),
            lost,
            &format!("no token stands for the byte {byte}"),
        ));
    }
    for number in [0, 7, -1, i32::MAX, i32::MIN] {
        let odd = kinds(|all| all[96] = number);
        all.push(refused(
            format!("type {number}"),
            odd,
            &format!("the token `ab` is of type {number}"),
        ));
    }
    all.push(refused(
        "a byte that is none",
        kinds(|all| all[96] = 6),
        "the token `ab` is no byte",
    ));
    all
}

fn merges() -> Vec<Case> {
    let merged = |what: &str, merge: &[u8], why: &str| {
        refused(
            what,
            draft("llama").with(&key("merges"), texts(&[merge])),
            why,
        )
    };
    let parts = |merge: &str| format!("the merge `{merge}` has not two parts");
    let names = |token: &str| format!("a merge names the token `{token}`, which is not there");
    vec![
        merged("an empty merge", b"", &parts("")),
        merged("a merge of one part", b"ab", &parts("ab")),
        merged("a merge with nothing", b"a ", &parts("a ")),
        merged("a merge of spaces", b" ", &parts(" ")),
        merged("a merge of no left", b"zz b", &names("zzb")),
        merged("a merge of no right", b"a zz", &names("azz")),
        merged("a merge to nothing", b"a c", &names("ac")),
        merged("a merge longer than every token", b"ab ab", &names("abab")),
        merged(
            "a merge to a control token",
            b"<|im_ end|>",
            &names("<|im_end|>"),
        ),
        merged("a merge of three", b"a b c", &names("ab c")),
        merged(
            "a merge that is no UTF-8",
            b"a \xff",
            "a merge is not UTF-8: `a \u{fffd}`",
        ),
    ]
}

fn ids() -> Vec<Case> {
    let end = letters().len() as u32 + 1;
    let mut all = Vec::new();
    for name in ["eos_token_id", "eot_token_id", "eom_token_id"] {
        for id in [0, end + 2, u32::MAX] {
            let draft = draft("llama").with(&key(name), u32(id));
            all.push(refused(
                format!("{name} {id}"),
                draft,
                &format!("`{}` is {id}, which is no control token", key(name)),
            ));
        }
    }
    let begins = |draft: Draft| draft.with(&key("add_bos_token"), truth(1));
    for id in [0, end + 2] {
        let draft = begins(draft("llama")).with(&key("bos_token_id"), u32(id));
        all.push(refused(
            format!("bos_token_id {id}"),
            draft,
            &format!(
                "`{}` is {id}, which is no control token",
                key("bos_token_id")
            ),
        ));
    }
    all.push(refused(
        "a beginning without a token",
        begins(draft("llama")),
        "every text should begin with a token that it does not name",
    ));
    let endless =
        tokens(|all| all[end as usize] = b"<|over|>".to_vec()).without(&key("eos_token_id"));
    all.push(refused(
        "no end",
        endless,
        "it names no token that ends a text",
    ));
    all
}

fn scores() -> Vec<Case> {
    let count = 260;
    let scored = |what: &str, scores: &[f32], why: &str| {
        refused(
            what,
            sentencepiece().with(&key("scores"), f32s(scores)),
            why,
        )
    };
    let with = |value: f32| {
        let mut all = vec![0.0; count];
        all[257] = value;
        all
    };
    let each = |found: usize| format!("it has {count} tokens and a score for {found}");
    vec![
        scored("no scores", &[], &each(0)),
        scored("a score too few", &vec![0.0; count - 1], &each(count - 1)),
        scored("a score too many", &vec![0.0; count + 1], &each(count + 1)),
        scored(
            "a score NaN",
            &with(f32::NAN),
            "the score of the token `a` is NaN",
        ),
        scored(
            "an infinite score",
            &with(f32::INFINITY),
            "the score of the token `a` is inf",
        ),
        scored(
            "a score minus infinity",
            &with(f32::NEG_INFINITY),
            "the score of the token `a` is -inf",
        ),
    ]
}
