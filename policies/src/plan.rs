//! A plan as it was frozen before any document was opened: its next call runs, or nothing does. Touches nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::Value;

use crate::call::{Argument, Call};
use crate::decision::{Permit, Refusal};

/// One call of a plan, as frozen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    /// The function: `sheet.summarize`.
    pub tool: String,
    /// What no document may change: each parameter with its value. `null` is an argument left out.
    pub fixed: BTreeMap<String, Value>,
    /// Parameters that wait for what documents hold. The value of these, and of no other, is chosen afterwards.
    pub open: BTreeSet<String>,
}

/// The calls of a frozen plan that have not run, in their order. None at first, so nothing runs before a plan is frozen.
#[derive(Debug, Default)]
pub struct Plan {
    ahead: VecDeque<Frozen>,
}

impl Plan {
    /// These calls, in this order, each once.
    pub fn freeze(calls: impl IntoIterator<Item = Frozen>) -> Self {
        Self {
            ahead: calls.into_iter().collect(),
        }
    }

    /// Lets the permit for the plan's next call through. Every other one is void, whatever judgement said, and the plan stays where it is.
    ///
    /// # Errors
    /// The refusal, where the call is not the next one or differs from it in what was fixed.
    pub fn admit(&mut self, permit: Permit) -> Result<Permit, Refusal> {
        let call = permit.call();
        let differs = match self.ahead.front() {
            None => Some("the frozen plan has no further call".to_owned()),
            Some(next) => next.differs(call),
        };
        if let Some(reason) = differs {
            return Err(Refusal {
                what: call.tool().to_owned(),
                rule: "builtin.plan".to_owned(),
                reason,
            });
        }
        self.ahead.pop_front();
        Ok(permit)
    }
}

impl Frozen {
    /// In what `call` is not this one.
    fn differs(&self, call: &Call) -> Option<String> {
        if call.tool() != self.tool {
            return Some(format!("the frozen plan calls {} here", self.tool));
        }
        let args = call.args();
        let strange = args.iter().find(|arg| !self.holds(arg));
        let lacking = self
            .fixed
            .iter()
            .find(|(name, value)| !value.is_null() && !args.iter().any(|arg| arg.name == **name))
            .map(|(name, _)| name);
        strange
            .map(|arg| &arg.name)
            .or(lacking)
            .map(|name| format!("{name} is not as the frozen plan has it"))
    }

    fn holds(&self, arg: &Argument) -> bool {
        self.open.contains(&arg.name)
            || self
                .fixed
                .get(&arg.name)
                .map_or(arg.value.is_null(), |frozen| narrows(&arg.value, frozen))
    }
}

/// Whether a value is the frozen one. Of a list, members may be left out (a file without the column that is needed); none is added, none changes place.
fn narrows(value: &Value, frozen: &Value) -> bool {
    match (value, frozen) {
        (Value::Array(members), Value::Array(all)) => {
            let mut rest = all.iter();
            members.iter().all(|member| rest.any(|one| one == member))
        }
        _ => value == frozen,
    }
}
