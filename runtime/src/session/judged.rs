//! Steps of a plan as they are frozen and filled, where their arguments came from, and the permits that judging them gives.

use std::collections::BTreeMap;

use cloister_policies::{Frozen, Label, Op, Permit};
use cloister_tools::{Catalog, Signature, Type};
use serde_json::{Map, Value, json};

use crate::plan::{Draft, offers};
use crate::report::StepReport;
use crate::words::Words;

/// One step: what would be called with what, and which slots wait for contents.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) id: String,
    pub(crate) tool: String,
    pub(crate) args: Map<String, Value>,
    pub(crate) open: Vec<String>,
    filled: Option<Filled>,
}

/// The slots that contents filled, and the files that were looked at for it.
#[derive(Debug, Clone)]
struct Filled {
    slots: Vec<String>,
    from: Vec<String>,
}

/// A step that may run.
pub(crate) struct Judged {
    pub(crate) step: Step,
    pub(crate) permit: Permit,
}

/// The plan's permits: all of them, or there is no plan.
pub(crate) struct Permits {
    pub(crate) describe: Option<Judged>,
    pub(crate) call: Judged,
}

impl Step {
    /// What no document changes from here on, and what waits for their contents.
    pub(crate) fn freeze(&self) -> Frozen {
        let fixed = self
            .args
            .iter()
            .filter(|(name, _)| !self.open.contains(name));
        Frozen {
            tool: self.tool.clone(),
            fixed: fixed
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            open: self.open.iter().cloned().collect(),
        }
    }

    pub(crate) fn report(&self) -> StepReport {
        StepReport {
            id: self.id.clone(),
            tool: self.tool.clone(),
            args: self.args.clone(),
            open: self.open.clone(),
        }
    }

    /// The frozen step with these arguments in its slots. A file that was left out meanwhile had its say in them too.
    pub(crate) fn filled(self, signature: &Signature, args: Map<String, Value>) -> Step {
        let filled = Filled {
            from: read(signature, &self.args),
            slots: self.open,
        };
        Step {
            args,
            open: Vec::new(),
            filled: Some(filled),
            ..self
        }
    }

    /// Where each argument came from. Words of the person are theirs; what contents filled is data, also where they only left it empty.
    pub(crate) fn labels(&self, words: &Words) -> BTreeMap<String, Label> {
        let label = |(name, value): (&String, &Value)| {
            let filled = self.filled.as_ref().filter(|f| f.slots.contains(name));
            let label = match filled {
                Some(filled) => filled.label(),
                None if given(words, value) => Label::person(),
                None => Label::policy(),
            };
            (name.clone(), label)
        };
        self.args.iter().map(label).collect()
    }
}

impl Filled {
    fn label(&self) -> Label {
        let each = self.from.iter().map(Label::data);
        each.reduce(|all, one| all.join(&one))
            .unwrap_or_else(|| Label::data("unlabelled"))
    }
}

/// Whether a text stands in the request, at least the last part of a path. Anything else was fixed before a document was open.
fn given(words: &Words, value: &Value) -> bool {
    let stands = |text: &str| {
        let last = text.rsplit('/').next().unwrap_or(text);
        words.text().contains(last)
    };
    value.as_str().is_none_or(stands)
}

/// The function that says what a call's files hold, where the draft has slots that depend on it: its own tool's, otherwise another's.
pub(crate) fn describer<'c>(catalog: &'c Catalog, draft: &Draft) -> Option<&'c Signature> {
    let all = catalog.functions().filter(|s| offers::describes(s));
    offers::describer(all, |s| s, draft.signature.tool()).filter(|_| !draft.open.is_empty())
}

/// The files that a call reads, in the order of the parameters.
pub(crate) fn read(signature: &Signature, args: &Map<String, Value>) -> Vec<String> {
    let wishes = signature.requests(&Value::Object(args.clone())).into_iter();
    wishes
        .filter(|wish| wish.op == Op::Read)
        .map(|wish| wish.name)
        .collect()
}

/// The steps of a draft: a look at the files first, where slots depend on them. Open slots are empty until then.
pub(crate) fn frozen(draft: &Draft, describer: Option<&Signature>) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(describer) = describer {
        let files = read(&draft.signature, &draft.args);
        let args = Map::from_iter([("files".to_owned(), json!(files))]);
        steps.push(Step {
            id: "$1".to_owned(),
            tool: describer.name(),
            args,
            open: Vec::new(),
            filled: None,
        });
    }
    let empty = |name: &String| {
        let param = draft.signature.params().iter().find(|p| p.name == *name);
        let value = param.map_or(Value::Null, |p| {
            if matches!(p.ty, Type::List(_)) {
                json!([])
            } else {
                Value::Null
            }
        });
        (name.clone(), value)
    };
    let mut args = draft.args.clone();
    args.extend(draft.open.iter().map(empty));
    let id = format!("${}", steps.len().saturating_add(1));
    steps.push(Step {
        id,
        tool: draft.signature.name(),
        args,
        open: draft.open.clone(),
        filled: None,
    });
    steps
}

#[cfg(test)]
mod tests {
    use cloister_policies::Integrity;

    use super::*;

    fn draft() -> Draft {
        let wit = include_str!("../../../tools/guests/sheet/wit/sheet.wit");
        let signatures = Signature::parse("sheet", wit).unwrap();
        let summarize = signatures.into_iter().find(|s| s.function() == "summarize");
        let args = json!({"files": ["a.xlsx", "b.xlsx"], "chart": "bar", "save": "reports/summarize.xlsx"});
        let Value::Object(args) = args else {
            panic!("no arguments");
        };
        Draft {
            signature: summarize.unwrap(),
            args,
            open: ["conditions", "limit"].map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn a_slot_that_contents_filled_names_every_file_looked_at_also_one_left_out() {
        let draft = draft();
        let step = frozen(&draft, None).pop().unwrap();
        let mut args = step.args.clone();
        args.insert("files".into(), json!(["a.xlsx"]));
        args.insert("limit".into(), json!(3));
        let words = Words::read("The three largest, with a bar chart");
        let before = step.labels(&words);
        assert_eq!(before["limit"].integrity(), Integrity::Person);
        let labels = step.filled(&draft.signature, args).labels(&words);
        for slot in ["conditions", "limit"] {
            assert_eq!(labels[slot].integrity(), Integrity::Data, "{slot}");
            let sources: Vec<&String> = labels[slot].sources().iter().collect();
            assert_eq!(sources, ["a.xlsx", "b.xlsx"], "{slot}");
        }
        assert_eq!(labels["chart"], Label::person());
        assert_eq!(labels["save"], Label::policy());
    }
}
