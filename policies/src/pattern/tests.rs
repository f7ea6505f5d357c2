//! What patterns cover, and what they never do.

use proptest::prelude::*;

use super::*;

fn covers(pattern: &str, path: &str) -> bool {
    Pattern::parse(pattern, Path::new("/home/al[i]ce"))
        .unwrap()
        .covers(Path::new(path))
}

#[test]
fn folders_cover_what_lies_below() {
    assert!(covers("/f/reports", "/f/reports/q4.xlsx"));
    assert!(covers("/f/reports/", "/f/reports/2025/q4.xlsx"));
    assert!(covers("/f/reports", "/f/reports"));
    assert!(!covers("/f/reports", "/f/reports2/q4.xlsx"));
    assert!(!covers("/f/reports", "/f"));
}

#[test]
fn globs_match_name_by_name() {
    assert!(covers("/f/**/*", "/f/a.xlsx"));
    assert!(covers("/f/**/*", "/f/x/y/a.xlsx"));
    assert!(!covers("/f/**/*", "/f"));
    assert!(covers("/f/**", "/f/a") && !covers("/f/**", "/f"));
    assert!(covers("/f/*.xlsx", "/f/a.xlsx"));
    assert!(!covers("/f/*.xlsx", "/f/x/a.xlsx"));
    assert!(covers("/f/**/x/**/*.txt", "/f/1/x/2/x/3/a.txt"));
    assert!(!covers("/f/**/x/*.txt", "/f/1/x/2/a.txt"));
    assert!(covers("/f/{a,b}/*", "/f/b/1") && !covers("/f/{a,b}/*", "/f/c/1"));
}

#[test]
fn relative_ones_start_in_the_manifests_folder_taken_literally() {
    assert!(covers("finance/*", "/home/al[i]ce/finance/a"));
    assert!(!covers("finance/*", "/home/alice/finance/a"));
    assert!(covers("./finance//x", "/home/al[i]ce/finance/x"));
}

/// globset alone lets a class match `/`; matching name by name takes that away.
#[test]
fn a_class_does_not_reach_into_another_folder() {
    let alone = GlobBuilder::new("f[!x]secret")
        .literal_separator(true)
        .build()
        .unwrap()
        .compile_matcher();
    assert!(
        alone.is_match("f/secret"),
        "the attack works on globset alone"
    );
    assert!(!covers("/top/f[!x]secret", "/top/f/secret"));
}

#[test]
fn hidden_names_must_be_named() {
    assert!(!covers("/home/alice", "/home/alice/.ssh/id_ed25519"));
    assert!(!covers("/f/**/*", "/f/.~lock.a.xlsx#"));
    assert!(covers("/f/.config", "/f/.config/a"));
    assert!(covers("/f/**/.*", "/f/x/.a"));
    assert!(covers("/tmp/.tmpAbC/work/*", "/tmp/.tmpAbC/work/a"));
}

#[test]
fn paths_that_climb_are_never_covered() {
    for path in ["/f/../etc/passwd", "/f/x/../a", "f/a", "", "/f/a\0b"] {
        assert!(
            !covers("/f", path) && !covers("/f/**/*", path) && !covers("/**/*", path),
            "{path:?}"
        );
    }
    assert!(covers("/f", "/f/./a//b"));
}

#[test]
fn many_stars_do_not_take_forever() {
    let pattern = format!("/{}z", "**/*a*/".repeat(60));
    let path = format!("/{}y", "aaaa/".repeat(500));
    assert!(!covers(&pattern, &path));
}

fn glob() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => "[a-c]{1,2}",
        1 => Just("**".to_owned()),
        1 => Just("*".to_owned()),
        1 => Just("[!a]*".to_owned()),
        1 => Just("[+-9]?".to_owned()),
        1 => Just("{a,.b,[!c]}".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just("..".to_owned()),
        1 => r"[a-c.*?\[\]{},!~-]{0,5}",
    ];
    (any::<bool>(), prop::collection::vec(part, 1..6)).prop_map(|(absolute, parts)| {
        format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
    })
}

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![4 => "[a-c]{1,2}", 1 => Just("..".to_owned()), 1 => Just(".a".to_owned()), 1 => Just("home".to_owned())];
    prop::collection::vec(part, 0..7).prop_map(|parts| format!("/{}", parts.join("/")))
}

/// The literal start of a pattern, worked out anew by the simplest means.
fn literal_prefix(pattern: &str) -> String {
    let whole = if pattern.starts_with('/') {
        pattern.to_owned()
    } else {
        format!("/home/{pattern}")
    };
    let parts = whole
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    let literal: Vec<&str> = parts
        .take_while(|part| !part.contains(['*', '?', '[', ']', '{', '}']))
        .collect();
    format!("/{}", literal.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn nothing_outside_the_literal_prefix(pattern in glob(), path in path()) {
        if let Ok(parsed) = Pattern::parse(&pattern, Path::new("/home")) {
            prop_assert!(!pattern.split('/').any(|part| part == ".."));
            if parsed.covers(Path::new(&path)) {
                prop_assert!(!path.split('/').any(|part| part == ".."));
                let prefix = literal_prefix(&pattern);
                let inside = prefix == "/" || path == prefix || path.starts_with(&format!("{prefix}/"));
                prop_assert!(inside, "{pattern} covers {path}");
            }
        }
    }

    #[test]
    fn the_absolute_text_means_the_same(pattern in glob(), path in path()) {
        if let Ok(parsed) = Pattern::parse(&pattern, Path::new("/home")) {
            let again = Pattern::parse(parsed.text(), Path::new("/elsewhere")).unwrap();
            prop_assert_eq!(parsed.covers(Path::new(&path)), again.covers(Path::new(&path)));
        }
    }

    #[test]
    fn never_panics(pattern in any::<String>(), path in any::<String>()) {
        if let Ok(parsed) = Pattern::parse(&pattern, Path::new("/f")) {
            let _ = parsed.covers(Path::new(&path));
        }
    }
}
