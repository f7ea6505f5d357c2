//! Steps of a plan as they are frozen, and the permits that judging them gives.

use cloister_policies::{Frozen, Op, Permit};
use cloister_tools::{Signature, Type};
use serde_json::{Map, Value, json};

use crate::plan::Draft;
use crate::report::StepReport;

/// One step: what would be called with what, and which slots wait for contents.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) id: String,
    pub(crate) tool: String,
    pub(crate) args: Map<String, Value>,
    pub(crate) open: Vec<String>,
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
    });
    steps
}
