//! What a call would do, in a sentence for the consent screen, and as requests for the policy.

use serde_json::Value;

use super::{Handle, Request, Signature, Type, op};
use crate::names::{Lines, escape};

/// Files named one by one in a sentence; more are counted. Three still fit on a line.
const NAMED: usize = 3;

pub(super) fn requests(signature: &Signature, args: &Value) -> Vec<Request> {
    let files = files(signature, args);
    files
        .into_iter()
        .map(|(parameter, handle, name)| Request {
            parameter,
            op: op(handle),
            name,
        })
        .collect()
}

pub(super) fn of(signature: &Signature, args: &Value) -> String {
    let files = files(signature, args);
    let names = |wanted: Handle| {
        files
            .iter()
            .filter(|f| f.1 == wanted)
            .map(|f| f.2.as_str())
            .collect::<Vec<_>>()
    };
    let (moved, places) = (names(Handle::Movable), names(Handle::Place));
    let mut clauses = Vec::new();
    let read = names(Handle::Input);
    push(&mut clauses, "reads", &read, "");
    if signature.asks_model {
        let about = match read.len() {
            0 => "",
            1 => " about it",
            _ => " about them",
        };
        clauses.push(format!("asks the model{about}"));
    }
    push(&mut clauses, "writes", &names(Handle::Output), "");
    push(
        &mut clauses,
        "moves",
        &moved,
        &if places.is_empty() {
            String::new()
        } else {
            format!(" to {}", some(&places))
        },
    );
    match clauses.split_last() {
        None => format!("`{}` touches no file", signature.name()),
        Some((last, [])) => format!("`{}` {last}", signature.name()),
        Some((last, others)) => format!("`{}` {} and {last}", signature.name(), others.join(", ")),
    }
}

fn push(clauses: &mut Vec<String>, verb: &str, names: &[&str], tail: &str) {
    if !names.is_empty() {
        clauses.push(format!("{verb} {}{tail}", some(names)));
    }
}

fn some(names: &[&str]) -> String {
    if names.len() > NAMED {
        return format!("{} files", names.len());
    }
    names
        .iter()
        .map(|n| format!("`{}`", escape(n, Lines::Escape)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn files(signature: &Signature, args: &Value) -> Vec<(String, Handle, String)> {
    let mut found = Vec::new();
    for param in &signature.params {
        if let Some(json) = args.get(&param.name) {
            collect(&param.name, &param.ty, json, &mut found);
        }
    }
    found
}

fn collect(parameter: &str, ty: &Type, json: &Value, found: &mut Vec<(String, Handle, String)>) {
    match (ty.plain(), json) {
        (Type::Handle(handle), Value::String(name)) => {
            found.push((parameter.into(), *handle, name.clone()))
        }
        (Type::List(of), Value::Array(items)) => items
            .iter()
            .for_each(|item| collect(parameter, of, item, found)),
        (Type::Option(of), json) => collect(parameter, of, json, found),
        _ => {}
    }
}
