//! What the manifest's reader takes and refuses.

use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// The manifest of the command line's contract, byte for byte.
const FINANCE: &[u8] = br#"{"agent": "cowork-finance-helper", "version": "1.0",
 "capabilities": [
  {"name": "file:read", "paths": ["/Users/alice/Documents/finance/**/*"], "description": "Read finance documents"},
  {"name": "file:write", "paths": ["/Users/alice/Documents/finance/reports"], "description": "Write generated reports"},
  {"name": "network:outbound", "hosts": ["api.enterprise-hosted-llm.company.internal"], "description": "Call internal model"}],
 "ttl_seconds": 3600}"#;

fn parse(text: &str) -> Result<Manifest, PolicyError> {
    Manifest::parse(text.as_bytes(), Path::new("/home/alice"))
}

fn with(capability: &str) -> Result<Manifest, PolicyError> {
    parse(&format!(
        r#"{{"agent": "a", "version": "1", "capabilities": [{capability}]}}"#
    ))
}

fn refused(result: Result<Manifest, PolicyError>, expected: &Expect) {
    let error = result.unwrap_err();
    expected.assert_eq(&format!("{error}\nhint: {}", error.hint().unwrap()));
}

#[test]
fn the_contracts_manifest_is_read_as_it_stands() {
    let manifest = Manifest::parse(FINANCE, Path::new("/anywhere")).unwrap();
    assert_eq!(
        (manifest.agent(), manifest.version(), manifest.ttl()),
        ("cowork-finance-helper", "1.0", 3600)
    );
    let names: Vec<&str> = manifest
        .capabilities()
        .iter()
        .map(Capability::name)
        .collect();
    assert_eq!(names, ["file:read", "file:write", "network:outbound"]);
    assert_eq!(
        manifest.capabilities()[0].description(),
        Some("Read finance documents")
    );
    let Scope::Paths(Op::Write, write) = manifest.capabilities()[1].scope() else {
        panic!("no paths")
    };
    assert!(write[0].covers(Path::new("/Users/alice/Documents/finance/reports/q4.xlsx")));
    let Scope::Hosts(hosts) = manifest.capabilities()[2].scope() else {
        panic!("no hosts")
    };
    assert_eq!(hosts, &["api.enterprise-hosted-llm.company.internal"]);
}

#[test]
fn an_unknown_capability_is_kept_for_the_refusal() {
    let manifest = with(r#"{"name": "camera:use", "tools": ["lens"]}"#).unwrap();
    assert!(
        matches!(manifest.capabilities()[0].scope(), Scope::Unknown(items) if items == &["lens"])
    );
}

#[test]
fn the_time_defaults_to_an_hour() {
    assert_eq!(with("").unwrap().ttl(), LIMITS.default_ttl);
}

#[test]
fn unknown_keys() {
    refused(
        parse(r#"{"agent": "a", "version": "1", "capabilities": [], "sudo": true}"#),
        &expect![[r#"
        unknown key `sudo` in the manifest
        hint: the keys that may stand there are `agent`, `version`, `capabilities`, `ttl_seconds`"#]],
    );
    refused(
        with(r#"{"name": "file:read", "paths": ["x"], "path": "y"}"#),
        &expect![[r#"
        unknown key `path` in `capabilities[0]`
        hint: the keys that may stand there are `name`, `description`, `paths`, `hosts`, `tools`, `models`, `max_uses`, `ttl_seconds`"#]],
    );
    refused(
        with(r#"{"name": "file:read", "paths": ["x"], "hosts": ["y"]}"#),
        &expect![[r#"
        unknown key `hosts` in a `file:read` of the manifest
        hint: the keys that may stand there are `name`, `description`, `paths`, `max_uses`, `ttl_seconds`"#]],
    );
}

#[test]
fn a_key_twice() {
    refused(
        with(r#"{"name": "file:read", "paths": ["x"], "paths": ["/"]}"#),
        &expect![[r#"
        the manifest has the key `paths` twice in one object
        hint: keep one `paths`; readers disagree on which of two counts"#]],
    );
}

#[test]
fn paths_that_climb_or_hide() {
    refused(
        with(r#"{"name": "file:read", "paths": ["reports/../../bob"]}"#),
        &expect![[r#"
        the path `reports/../../bob` has a `..` component
        hint: write the folder that you mean, absolute or below the manifest's folder"#]],
    );
    refused(
        with(r#"{"name": "file:read", "paths": ["rep\u001b[2Jorts"]}"#),
        &expect![[r#"
        `paths` in `capabilities[0]` has control or invisible characters: `rep\u{1b}[2Jorts`
        hint: write it with printable characters, and not longer than a line or a path"#]],
    );
    refused(
        with(r#"{"name": "file:read", "paths": ["~/finance"]}"#),
        &expect![[r#"
        the path `~/finance` starts with `~`
        hint: write the home folder out, for instance `/home/alice/Documents`"#]],
    );
    refused(
        with(r#"{"name": "file:read", "paths": ["{a/b,c}"]}"#),
        &expect![[r#"
        the path `{a/b,c}` cannot be read as a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
        hint: `*` is any name, `**` any folders, `?` one character, `{a,b}` one of two; braces do not reach across `/`"#]],
    );
}

#[test]
fn missing_and_mistyped() {
    refused(
        parse(r#"{"agent": "a", "capabilities": []}"#),
        &expect![[r#"
        the manifest lacks `version`
        hint: add `version`"#]],
    );
    refused(
        with(r#"{"name": "file:read"}"#),
        &expect![[r#"
        `capabilities[0]` lacks `paths`
        hint: add `paths`"#]],
    );
    refused(
        with(r#"{"name": "file:read", "paths": "x"}"#),
        &expect![[r#"
        `paths` in `capabilities[0]` must be a list, `[…]`
        hint: write a list, `[…]`"#]],
    );
    refused(
        parse("[]"),
        &expect![[r#"
        `the manifest` in the file must be an object, `{…}`
        hint: write an object, `{…}`"#]],
    );
    refused(
        parse("{"),
        &expect![[r#"
        the manifest is not JSON: EOF while parsing an object at line 1 column 1
        hint: mend it at that line and column, or compare it with `policies/manifest.schema.json`"#]],
    );
}

#[test]
fn times_that_cannot_be_meant() {
    for (ttl, fine) in [
        ("0", false),
        ("1", true),
        ("604800", true),
        ("604801", false),
        ("-1", false),
        ("1.5", false),
        ("\"1h\"", false),
    ] {
        let result = parse(&format!(
            r#"{{"agent": "a", "version": "1", "capabilities": [], "ttl_seconds": {ttl}}}"#
        ));
        assert_eq!(result.is_ok(), fine, "{ttl}");
    }
    refused(
        parse(r#"{"agent": "a", "version": "1", "capabilities": [], "ttl_seconds": 0}"#),
        &expect![[r#"
        `ttl_seconds` is 0, it must be between 1 and 604800
        hint: write whole seconds, for instance 3600 for one hour"#]],
    );
}

#[test]
fn bounds_of_a_capability() {
    let bounds = |bounds: &str| {
        let capability = format!(r#"{{"name": "file:write", "paths": ["x"]{bounds}}}"#);
        with(&capability).map(|manifest| manifest.capabilities()[0].bounds())
    };
    assert_eq!(bounds("").unwrap(), Bounds::default());
    let both = bounds(r#", "max_uses": 2, "ttl_seconds": 60"#).unwrap();
    assert_eq!((both.max_uses, both.ttl_seconds), (Some(2), Some(60)));
    for odd in ["0", "-1", "1.5", "1000001", "\"2\"", "null"] {
        assert!(bounds(&format!(r#", "max_uses": {odd}"#)).is_err(), "{odd}");
    }
    assert!(bounds(r#", "max_uses": 1000000, "ttl_seconds": 604800"#).is_ok());
    assert!(bounds(r#", "ttl_seconds": 604801"#).is_err());
    refused(
        with(r#"{"name": "file:write", "paths": ["x"], "max_uses": 0}"#),
        &expect![[r#"
        `max_uses` is 0, it must be between 1 and 1000000
        hint: write how many calls may use it, for instance 2"#]],
    );
    refused(
        with(r#"{"name": "model:use", "models": ["m"], "max_uses": 1}"#),
        &expect![[r#"
        unknown key `max_uses` in a `model:use` of the manifest
        hint: the keys that may stand there are `name`, `description`, `models`"#]],
    );
}

#[test]
fn too_much_of_anything() {
    let capability = r#"{"name": "file:read", "paths": ["x"]}"#;
    refused(
        with(&vec![capability; 65].join(",")),
        &expect![[r#"
        the manifest has 65 capabilities, the limit is 64
        hint: name folders with `**` instead of single files, or split it in two"#]],
    );
    let paths = vec![r#""x""#; 257].join(",");
    assert!(matches!(
        with(&format!(r#"{{"name": "file:read", "paths": [{paths}]}}"#)),
        Err(PolicyError::TooMany { got: 257, .. })
    ));
    assert!(matches!(
        parse(&" ".repeat(LIMITS.manifest + 1)),
        Err(PolicyError::TooLarge { .. })
    ));
    assert!(matches!(
        with(&"[".repeat(40)),
        Err(PolicyError::TooDeep { .. })
    ));
    assert!(matches!(
        parse(&format!(
            r#"{{"agent": "{}", "version": "1", "capabilities": []}}"#,
            "a".repeat(129)
        )),
        Err(PolicyError::BadText { .. })
    ));
}

#[test]
fn the_folder_must_be_absolute() {
    assert!(matches!(
        Manifest::parse(FINANCE, Path::new("here")),
        Err(PolicyError::BadPath { .. })
    ));
}

#[test]
fn the_schema_has_the_keys_and_limits_of_the_reader() {
    let schema: Value = serde_json::from_str(include_str!("../../manifest.schema.json")).unwrap();
    let keys = |at: &str| {
        let mut keys: Vec<String> = schema
            .pointer(at)
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        keys.sort();
        keys
    };
    let sorted = |known: &[&str]| {
        let mut known: Vec<String> = known.iter().map(|key| (*key).to_owned()).collect();
        known.sort();
        known
    };
    assert_eq!(keys("/properties"), sorted(&KEYS));
    assert_eq!(
        keys("/$defs/capability/properties"),
        sorted(&CAPABILITY_KEYS)
    );
    let number = |at: &str| schema.pointer(at).unwrap().as_u64().unwrap();
    assert_eq!(number("/properties/ttl_seconds/maximum"), LIMITS.ttl);
    assert_eq!(
        number("/properties/ttl_seconds/default"),
        LIMITS.default_ttl
    );
    assert_eq!(
        number("/properties/capabilities/maxItems"),
        LIMITS.capabilities as u64
    );
    assert_eq!(number("/$defs/name/maxLength"), LIMITS.name as u64);
    assert_eq!(number("/$defs/texts/maxItems"), LIMITS.items as u64);
    assert_eq!(number("/$defs/texts/items/maxLength"), LIMITS.text as u64);
    let bound = |key: &str| number(&format!("/$defs/capability/properties/{key}/maximum"));
    assert_eq!(
        BOUNDS.map(bound),
        [LIMITS.uses, LIMITS.ttl],
        "and in this order in `Bounds`"
    );
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Manifest::parse(&bytes, Path::new("/f"));
    }

    #[test]
    fn errors_stay_on_one_line_and_are_printable(path in any::<String>()) {
        let text = serde_json::json!({"agent": "a", "version": "1", "capabilities": [{"name": "file:read", "paths": [path]}]}).to_string();
        if let Err(error) = parse(&text) {
            prop_assert!(!error.to_string().chars().any(is_deceptive));
        }
    }
}
