//! Pins, and what happens when one byte is not the pinned one.

use super::*;
use crate::package::{lock_text, pin};
use crate::testing::{WIT, folder, install, put};

#[test]
fn a_pinned_catalogue_opens_and_any_other_byte_does_not() {
    let (_temp, dir) = folder();
    install(&dir);
    let lock = lock_text(&[pin(&dir.join("desk")).unwrap()]);
    let catalog = Catalog::open(&dir, &lock).unwrap();
    catalog
        .warm(&catalog.packages().map(|p| p.name().to_owned()).collect())
        .unwrap();
    assert_eq!(
        catalog.functions().map(Signature::name).collect::<Vec<_>>(),
        ["desk.copy", "desk.half", "desk.crash", "desk.move"]
    );
    let package = catalog.package("desk").unwrap();
    assert_eq!(
        (package.accepts(), package.writes()),
        (
            &["txt".to_owned()][..],
            &["txt".to_owned(), "md".to_owned()][..]
        )
    );
    for file in ["tool.wasm", "desk.wit", "tool.toml"] {
        let path = dir.join("desk").join(file);
        let sound = std::fs::read(&path).unwrap();
        put(&path, [sound.as_slice(), b"\n"].concat());
        let error = Catalog::open(&dir, &lock).unwrap_err();
        assert!(
            matches!(&error, ToolError::PinMismatch { tool, .. } if tool == "desk"),
            "{error}"
        );
        assert!(error.is_integrity() && error.hint().is_some());
        assert!(error.to_string().matches("sha256:").count() == 2, "{error}");
        put(&path, sound);
    }
}

#[test]
fn packages_and_pins_belong_together() {
    let (_temp, dir) = folder();
    install(&dir);
    let lock = lock_text(&[pin(&dir.join("desk")).unwrap()]);
    assert!(matches!(
        Catalog::open(&dir, ""),
        Err(ToolError::Unpinned { .. })
    ));
    assert!(matches!(
        Catalog::open(&dir, &format!("{lock}{lock}")),
        Err(ToolError::Lock { .. })
    ));
    assert!(matches!(
        Catalog::open(&dir, &lock.replace("0.1.0", "0.2.0")),
        Err(ToolError::Lock { .. })
    ));
    assert!(matches!(
        Catalog::open(&dir, &lock.replace("\"desk\"", "\"../desk\"")),
        Err(ToolError::Unpinned { .. })
    ));
    assert!(matches!(
        Catalog::open(&dir, "tool = 3"),
        Err(ToolError::Lock { .. })
    ));
}

#[test]
fn a_component_that_differs_from_its_wit_is_not_pinned() {
    let (_temp, dir) = folder();
    install(&dir);
    for (other, part) in [
        (
            WIT.replace("to: option<output>", "to: output"),
            "`copy` has another type",
        ),
        (WIT.replace("crash:", "smash:"), "does not export `smash`"),
        (
            WIT.replace(
                "    half: func(to: output) -> result<string, string>;\n",
                "",
            ),
            "not in its WIT",
        ),
    ] {
        put(&dir.join("desk/desk.wit"), other);
        let error = pin(&dir.join("desk")).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_component_that_imports_sockets_is_not_pinned() {
    let (_temp, dir) = folder();
    install(&dir);
    let text = r#"(component (import "wasi:sockets/tcp@0.2.0" (instance (export "f" (func)))))"#;
    put(&dir.join("desk/tool.wasm"), wat::parse_str(text).unwrap());
    let error = pin(&dir.join("desk")).unwrap_err();
    assert!(
        error.to_string().contains("`wasi:sockets/tcp@0.2.0`"),
        "{error}"
    );
}

#[test]
fn a_component_that_asks_the_model_says_so_in_its_wit() {
    let (_temp, dir) = folder();
    let world = |imports: &str| {
        format!(
            "package test:ask@0.1.0;\ninterface ask {{\n  /// Ask.\n  run: func();\n}}\nworld tool {{ {imports} export ask; }}\n"
        )
    };
    let text = r#"(component
  (import "cloister:mind/tasks@0.1.0" (instance $t (export "condense" (func (param "text" string) (result string)))))
  (core module $m (func (export "run")))
  (core instance $m (instantiate $m))
  (func $run (canon lift (core func $m "run")))
  (instance $e (export "run" (func $run)))
  (export "test:ask/ask@0.1.0" (instance $e)))"#;
    put(&dir.join("ask/tool.wasm"), wat::parse_str(text).unwrap());
    put(
        &dir.join("ask/tool.toml"),
        "name = \"ask\"\nversion = \"0.1.0\"\n",
    );
    put(&dir.join("ask/ask.wit"), world(""));
    let error = pin(&dir.join("ask")).unwrap_err().to_string();
    assert!(error.contains("it asks the model"), "{error}");
    put(
        &dir.join("ask/ask.wit"),
        world("import cloister:mind/other@0.1.0;"),
    );
    assert!(pin(&dir.join("ask")).is_err());
    put(
        &dir.join("ask/ask.wit"),
        world("import cloister:mind/tasks@0.1.0;"),
    );
    let lock = lock_text(&[pin(&dir.join("ask")).unwrap()]);
    let catalog = Catalog::open(&dir, &lock).unwrap();
    let signature = catalog.signature("ask.run").unwrap();
    assert!(signature.asks_model());
    assert_eq!(
        signature.sentence(&serde_json::json!({})),
        "`ask.run` asks the model"
    );
}
