//! The host's side of `cloister:mind/tasks`: the only way in which a component asks the model anything. It is handed nothing but a text, and
//! what comes back is text.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker};

use crate::limits::Limit;
use crate::question::{self, Question, Task};
use crate::state::{State, Stopped};

/// Its name as an import. Its WIT is `tools/wit/mind/tasks.wit`.
pub(crate) const INTERFACE: &str = "cloister:mind/tasks@0.1.0";

/// `enum kind` of the WIT.
#[derive(ComponentType, Lift, Debug, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "wasmtime makes them of the guest's number")]
enum Kind {
    #[component(name = "date")]
    Date,
    #[component(name = "amount")]
    Amount,
    #[component(name = "integer")]
    Integer,
    #[component(name = "text")]
    Text,
}

impl From<Kind> for question::Kind {
    fn from(kind: Kind) -> question::Kind {
        match kind {
            Kind::Date => question::Kind::Date,
            Kind::Amount => question::Kind::Amount,
            Kind::Integer => question::Kind::Integer,
            Kind::Text => question::Kind::Text,
        }
    }
}

type Store<'a> = StoreContextMut<'a, State>;

pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut at = linker.instance(INTERFACE)?;
    at.func_wrap("condense", |mut s: Store<'_>, (text,): (String,)| {
        Ok((ask_for(s.data_mut(), text, Task::Condense)?,))
    })?;
    at.func_wrap(
        "classify",
        |mut s: Store<'_>, (text, labels): (String, Vec<String>)| {
            Ok((ask_for(s.data_mut(), text, Task::Classify(labels))?,))
        },
    )?;
    at.func_wrap(
        "extract",
        |mut s: Store<'_>, (text, name, kind): (String, String, Kind)| {
            let kind = kind.into();
            Ok((ask(s.data_mut(), text, Task::Extract { name, kind })?,))
        },
    )
}

/// Where the question is one that is always answered.
fn ask_for(state: &mut State, text: String, task: Task) -> wasmtime::Result<String> {
    ask(state, text, task)?.ok_or_else(unanswered)
}

fn ask(state: &mut State, text: String, task: Task) -> wasmtime::Result<Option<String>> {
    if state.used.questions >= state.limits.questions {
        return Err(Stopped(Limit::Questions).into());
    }
    let question =
        Question::new(text, task, state.limits.question_bytes).ok_or(Stopped(Limit::Question))?;
    state.used.questions = state.used.questions.saturating_add(1);
    state.mind.answer(&question).map_err(|_| unanswered())
}

/// The agent ends the call by itself then.
fn unanswered() -> wasmtime::Error {
    wasmtime::Error::msg("the model does not answer")
}
