//! Just enough of Rust's grammar to ask where a word stands: comments and texts are blanked, items end at their brace or semicolon.

/// The code alone: comments, strings and characters become blanks; lines stay where they were.
pub(crate) fn code(text: &str) -> String {
    let source: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < source.len() {
        let rest = source.get(at..).unwrap_or_default();
        let within = at
            .checked_sub(1)
            .and_then(|before| source.get(before))
            .is_some_and(|c| is_word(*c));
        let silent = silent(rest, within);
        let taken = rest.iter().take(silent.max(1));
        if silent == 0 {
            out.extend(taken);
        } else {
            out.extend(taken.map(|c| if *c == '\n' { '\n' } else { ' ' }));
        }
        at = at.saturating_add(silent.max(1));
    }
    out
}

/// How many characters from here belong to a comment, a string or a character; 0 where code goes on.
fn silent(rest: &[char], within_word: bool) -> usize {
    match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => string(rest),
        ['\'', ..] => character(rest),
        ['r', '"' | '#', ..] if !within_word => raw_string(rest, 1),
        ['b' | 'c', 'r', '"' | '#', ..] if !within_word => raw_string(rest, 2),
        _ => 0,
    }
}

/// Block comments nest.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0_usize);
    loop {
        match rest.get(at..).unwrap_or_default() {
            ['/', '*', ..] => (depth, at) = (depth.saturating_add(1), at.saturating_add(2)),
            ['*', '/', ..] => (depth, at) = (depth.saturating_sub(1), at.saturating_add(2)),
            [] => return at,
            _ => at = at.saturating_add(1),
        }
        if depth == 0 {
            return at;
        }
    }
}

fn string(rest: &[char]) -> usize {
    let mut at = 1_usize;
    loop {
        match rest.get(at) {
            None => return rest.len(),
            Some('"') => return at.saturating_add(1),
            Some('\\') => at = at.saturating_add(2),
            Some(_) => at = at.saturating_add(1),
        }
    }
}

/// A character; 0 for a lifetime.
fn character(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', _, tail @ ..] => tail
            .iter()
            .position(|c| *c == '\'')
            .map_or(rest.len(), |end| end.saturating_add(4)),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

/// A raw string behind a prefix; 0 for a raw identifier.
fn raw_string(rest: &[char], prefix: usize) -> usize {
    let tail = rest.get(prefix..).unwrap_or_default();
    let hashes = tail.iter().take_while(|c| **c == '#').count();
    if tail.get(hashes) != Some(&'"') {
        return 0;
    }
    let opening = prefix.saturating_add(hashes).saturating_add(1);
    let closing: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', hashes))
        .collect();
    let body = rest.get(opening..).unwrap_or_default();
    let end = body.windows(closing.len()).position(|w| w == closing);
    end.map_or(rest.len(), |end| {
        opening.saturating_add(end).saturating_add(closing.len())
    })
}

/// The words of some code: identifiers, keywords and numbers.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c| !is_word(c)).filter(|w| !w.is_empty())
}

/// Whether a character can be part of a word.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Code without needless blanks: `a :: b` over two lines is `a::b`, and `a as b` stays what it is.
pub(crate) fn dense(code: &str) -> String {
    let mut out = String::new();
    for piece in code.split_whitespace() {
        if out.ends_with(is_word) && piece.starts_with(is_word) {
            out.push(' ');
        }
        out.push_str(piece);
    }
    out
}

/// Code without the items that only tests see.
pub(crate) fn shipped(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::new();
    let mut rest = code;
    while let Some((before, marked)) = rest.split_once(MARK) {
        out.push_str(before);
        rest = marked.get(item(marked)..).unwrap_or_default();
    }
    out + rest
}

/// The modules that only tests see and that are files of their own.
pub(crate) fn test_modules(code: &str) -> Vec<String> {
    let marked = code.split("#[cfg(test)]").skip(1);
    let items = marked
        .filter_map(|m| m.get(..item(m)))
        .filter(|i| i.ends_with(';'));
    let named = items.filter_map(|i| {
        i.trim_end_matches(';')
            .rsplit_once("mod ")
            .map(|(_, name)| name.trim().to_owned())
    });
    named.collect()
}

/// Bytes up to the end of the item that begins here: its closing brace, or its semicolon.
fn item(code: &str) -> usize {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => others = others.saturating_add(1),
            ')' | ']' => others = others.saturating_sub(1),
            '{' => braces = braces.saturating_add(1),
            '}' => braces = braces.saturating_sub(1),
            _ => {}
        }
        if matches!(c, '}' | ';') && braces == 0 && others == 0 {
            return at.saturating_add(c.len_utf8());
        }
    }
    code.len()
}

/// Each function with a body or a signature: its name, and its lines from `fn` to the end.
pub(crate) fn functions(code: &str) -> Vec<(String, usize)> {
    let starts = code.match_indices("fn ").filter(|(at, _)| {
        code.get(..*at)
            .is_some_and(|before| !before.ends_with(is_word))
    });
    let named = starts.filter_map(|(at, _)| {
        let body = code.get(at..)?;
        let name = words(body).nth(1)?.to_owned();
        Some((name, body.get(..item(body))?.lines().count()))
    });
    named.collect()
}

#[test]
fn comments_and_texts_are_no_code() {
    let text = "a // b\n/* c /* d */ e */ f \"g \\\" h\" i r#\"j \" k\"# l b\"m\" n";
    assert_eq!(
        words(&code(text)).collect::<Vec<_>>(),
        ["a", "f", "i", "l", "b", "n"]
    );
    assert_eq!(code(text).lines().count(), 2);
    assert_eq!(
        words(&code("'{' x '\\'' y '\\u{7f}' z")).collect::<Vec<_>>(),
        ["x", "y", "z"]
    );
    assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    assert_eq!(
        words(&code("r#type var\"t\"")).collect::<Vec<_>>(),
        ["r", "type", "var"]
    );
}

#[test]
fn functions_end_at_their_brace() {
    let text =
        "fn a() -> [u8; 2] {\n  if x { '}' }\n}\ntrait T {\n  fn b(&self);\n}\nlet c: fn (u8);";
    let found = functions(&code(text));
    assert_eq!(
        found
            .iter()
            .map(|(n, l)| (n.as_str(), *l))
            .take(2)
            .collect::<Vec<_>>(),
        [("a", 3), ("b", 1)]
    );
}

#[test]
fn items_of_tests_are_not_shipped() {
    let text = "a;\n#[cfg(test)]\nmod tests { fn x() { y } }\nb;\n#[cfg(test)]\nmod more;\nc;";
    assert_eq!(words(&shipped(text)).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(test_modules(text), ["more"]);
}
