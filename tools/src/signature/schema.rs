//! The JSON Schema that a model is shown and a grammar is built from.

use serde_json::{Map, Value, json};

use super::{Handle, Param, Signature, Type};

pub(super) fn of(signature: &Signature) -> Value {
    let mut schema = object(&signature.params);
    if let (Some(map), false) = (schema.as_object_mut(), signature.doc.is_empty()) {
        map.insert("description".into(), json!(signature.doc));
    }
    schema
}

fn object(fields: &[Param]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let mut schema = ty(&field.ty);
        describe(&mut schema, &field.doc);
        properties.insert(field.name.clone(), schema);
        if !matches!(field.ty.plain(), Type::Option(_)) {
            required.push(json!(field.name));
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn ty(of: &Type) -> Value {
    match of {
        Type::Bool => json!({"type": "boolean"}),
        Type::U32 => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        Type::U64 => json!({"type": "integer", "minimum": 0}),
        Type::S64 => json!({"type": "integer"}),
        Type::F64 => json!({"type": "number"}),
        Type::String => json!({"type": "string"}),
        Type::Handle(handle) => json!({"type": "string", "x-handle": handle_name(*handle)}),
        Type::List(of) => json!({"type": "array", "items": ty(of)}),
        Type::Option(of) => json!({"anyOf": [ty(of), {"type": "null"}]}),
        Type::Result { ok, err } => results(ok.as_deref(), err.as_deref()),
        Type::Record { fields, doc, .. } => described(object(fields), doc),
        Type::Enum { cases, doc, .. } => described(
            json!({"type": "string", "enum": cases.iter().map(|c| &c.name).collect::<Vec<_>>()}),
            &enum_doc(doc, cases),
        ),
        Type::Alias { name, doc, of } => {
            let mut schema = described(ty(of), doc);
            if let Some(map) = schema.as_object_mut() {
                map.insert("x-alias".into(), json!(name));
            }
            schema
        }
    }
}

fn enum_doc(doc: &str, cases: &[super::Case]) -> String {
    let cases = cases
        .iter()
        .filter(|c| !c.doc.is_empty())
        .map(|c| format!("`{}`: {}", c.name, c.doc));
    std::iter::once(doc.to_string())
        .filter(|d| !d.is_empty())
        .chain(cases)
        .collect::<Vec<_>>()
        .join(" ")
}

fn described(mut schema: Value, doc: &str) -> Value {
    describe(&mut schema, doc);
    schema
}

fn describe(schema: &mut Value, doc: &str) {
    if let (Some(map), false) = (schema.as_object_mut(), doc.is_empty()) {
        map.entry("description").or_insert_with(|| json!(doc));
    }
}

/// The handle's name in WIT.
pub(super) fn handle_name(handle: Handle) -> &'static str {
    match handle {
        Handle::Input => "input",
        Handle::Output => "output",
        Handle::Movable => "movable",
        Handle::Place => "place",
    }
}

fn results(ok: Option<&Type>, err: Option<&Type>) -> Value {
    let branch = |t: Option<&Type>| t.map_or(json!({"type": "null"}), ty);
    json!({"anyOf": [branch(ok), branch(err)]})
}
