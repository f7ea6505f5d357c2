//! Decisions and what they hand on. The only file that makes a [`Permit`]; touches nothing.
//!
//! A permit cannot be written down by anybody else, and cannot be had twice:
//!
//! ```compile_fail,E0451
//! use cloister_policies::{Call, Permit, ReleaseTerms, Rule};
//! fn forge(call: Call, other: Permit) -> Permit {
//!     Permit { call, by: Rule { rule: "mine".into(), reason: "because".into() }, release: ReleaseTerms::Freely, ..other }
//! }
//! ```
//!
//! ```compile_fail,E0599
//! fn twice(permit: cloister_policies::Permit) -> (cloister_policies::Permit, cloister_policies::Permit) {
//!     (permit.clone(), permit)
//! }
//! ```
//!
//! ```compile_fail,E0382
//! fn twice(question: cloister_policies::Question) {
//!     let _ = question.into_permit();
//!     let _ = question.into_permit();
//! }
//! ```

use std::fmt;

use serde::Serialize;

use crate::call::Call;
use crate::grants::Drawn;
use crate::session::UnixMillis;

/// The rule that allowed something, and why, in a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The rule's name, as in the bundle.
    pub rule: String,
    /// A sentence for a person.
    pub reason: String,
}

/// What was refused, by which rule, and why, in a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// What was refused: a capability with its path or host, or a call's tool.
    pub what: String,
    /// The rule's name, as in the bundle; `builtin.…` when Rust refused, `policy.…` when the policy itself failed.
    pub rule: String,
    /// A sentence for a person.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is refused: {} ({})",
            self.what, self.reason, self.rule
        )
    }
}

/// What a person said to the question about effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Yes, these effects.
    Allow,
    /// No.
    Decline,
    /// Nobody answered, which refuses.
    Unasked,
}

/// When what a call wrote may leave quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "terms", rename_all = "kebab-case")]
pub enum ReleaseTerms {
    /// Without a question: the policy answered it.
    Freely,
    /// Only after a person has seen the effects and said yes.
    AfterConsent {
        /// For how many days their answer may be remembered; 0 where they are asked each time.
        remember_days: u64,
    },
}

/// What the policy says to one call.
#[must_use]
#[derive(Debug)]
pub enum Decision {
    /// It may run, and its effects may leave quarantine without a question.
    Permit(Permit),
    /// It may run into quarantine; a person must look before the release.
    Ask(Question),
    /// It may not run.
    Forbid(Refusal),
}

impl Decision {
    /// `permit`, `ask` or `forbid`, as in `--json`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Permit(_) => "permit",
            Self::Ask(_) => "ask",
            Self::Forbid(_) => "forbid",
        }
    }

    /// The name of the rule that decided.
    #[must_use]
    pub fn rule(&self) -> &str {
        match self {
            Self::Permit(permit) => permit.rule(),
            Self::Ask(question) => question.rule(),
            Self::Forbid(refusal) => &refusal.rule,
        }
    }

    /// Why, in a sentence for a person.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Permit(permit) => permit.reason(),
            Self::Ask(question) => question.reason(),
            Self::Forbid(refusal) => &refusal.reason,
        }
    }

    /// The other rules that ask, and why, where the decision is to ask.
    #[must_use]
    pub fn also(&self) -> &[Rule] {
        match self {
            Self::Permit(permit) => &permit.also,
            Self::Ask(question) => &question.also,
            Self::Forbid(_) => &[],
        }
    }

    pub(crate) fn permit(call: Call, by: Rule, drawn: Drawn) -> Self {
        Self::Permit(Permit {
            call,
            by,
            also: Vec::new(),
            release: ReleaseTerms::Freely,
            drawn,
        })
    }

    pub(crate) fn ask(
        call: Call,
        by: Rule,
        also: Vec<Rule>,
        drawn: Drawn,
        remember_days: u64,
    ) -> Self {
        Self::Ask(Question {
            call,
            by,
            also,
            drawn,
            remember_days,
        })
    }

    pub(crate) fn forbid(call: &Call, by: Rule) -> Self {
        Self::Forbid(Refusal {
            what: call.tool().to_owned(),
            rule: by.rule,
            reason: by.reason,
        })
    }
}

/// Leave to run one call. Made only in this file; owns the call that was judged.
#[must_use]
#[derive(Debug)]
pub struct Permit {
    call: Call,
    by: Rule,
    also: Vec<Rule>,
    release: ReleaseTerms,
    drawn: Drawn,
}

impl Permit {
    /// The call that was judged.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// The name of the rule that allowed it.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.by.rule
    }

    /// Why, in a sentence for a person.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.by.reason
    }

    /// Why, by each rule that a person is to hear of: the one that decided, then every other one that asks.
    pub fn reasons(&self) -> impl Iterator<Item = &Rule> {
        std::iter::once(&self.by).chain(&self.also)
    }

    /// When its effects may leave quarantine.
    #[must_use]
    pub const fn release(&self) -> &ReleaseTerms {
        &self.release
    }

    /// The end of the grants it rests on; afterwards it is void.
    #[must_use]
    pub const fn until(&self) -> UnixMillis {
        self.drawn.until
    }

    /// The capabilities that it draws on, by name.
    pub fn capabilities(&self) -> impl Iterator<Item = &'static str> {
        self.drawn.names.iter().copied()
    }

    /// What it draws on.
    pub(crate) const fn drawn(&self) -> &Drawn {
        &self.drawn
    }

    /// Gives up the leave and hands the call back.
    #[must_use]
    pub fn into_call(self) -> Call {
        self.call
    }
}

/// A call that may run into quarantine while a person is still to be asked.
#[must_use]
#[derive(Debug)]
pub struct Question {
    call: Call,
    by: Rule,
    also: Vec<Rule>,
    drawn: Drawn,
    remember_days: u64,
}

impl Question {
    /// The call that was judged.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// The name of the rule that asks.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.by.rule
    }

    /// Why a person must look.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.by.reason
    }

    /// Leave to run into quarantine, and no further: the release waits for the person.
    pub fn into_permit(self) -> Permit {
        let release = ReleaseTerms::AfterConsent {
            remember_days: self.remember_days,
        };
        Permit {
            call: self.call,
            by: self.by,
            also: self.also,
            release,
            drawn: self.drawn,
        }
    }
}
