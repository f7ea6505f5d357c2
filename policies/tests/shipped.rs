//! The shipped bundle loads, and every one of its rules is shown by a case.

use cloister_policies::{Bundle, Replacing, shipped, shipped_for_agents};

#[test]
fn loads_and_passes() {
    let bundle = Bundle::load(&shipped())
        .map_err(|error| error.to_string())
        .unwrap();
    assert!(bundle.test().iter().all(|case| case.passed));
}

#[test]
fn loads_for_an_evaluation_home() {
    Bundle::load(&shipped_for_agents(&["eval-*"]))
        .map_err(|error| error.to_string())
        .unwrap();
}

#[test]
fn every_rule_has_a_case_that_it_decides() {
    let results = Bundle::load(&shipped()).unwrap().test();
    for (name, bytes) in shipped().iter().filter(|(name, _)| name.ends_with(".rego")) {
        let text = String::from_utf8(bytes.clone()).unwrap();
        for line in text.lines().filter(|line| line.contains("\"rule\": \"")) {
            let rule = line
                .split("\"rule\": \"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap();
            assert!(
                results
                    .iter()
                    .any(|case| case.got.contains(&format!("`{rule}`"))),
                "no case in {name} is decided by {rule}"
            );
        }
    }
}

#[test]
fn no_file_is_replaced_on_a_rules_word_unless_the_settings_say_so() {
    let with = |from: &str, to: &str| {
        let mut files = shipped_for_agents(&["eval-*"]);
        let settings = files.get_mut("settings.json").unwrap();
        let text = String::from_utf8(settings.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        *settings = text.replace(from, to).into_bytes();
        Bundle::load(&files).unwrap().replacing()
    };
    let setting = r#""replace": false"#;
    assert_eq!(with(setting, setting), Replacing::Waits);
    assert_eq!(with(setting, r#""other": false"#), Replacing::Waits);
    assert_eq!(with(setting, r#""replace": "true""#), Replacing::Waits);
    assert_eq!(with(setting, r#""replace": true"#), Replacing::Released);
}
