//! Where a value came from, and how labels join when values do. Touches nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Who chose a value; the later, the less it may decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Integrity {
    /// The person's own words.
    Person,
    /// The policy or the product chose it.
    Policy,
    /// A pinned tool computed it, without copying text out of a document.
    Tool,
    /// It comes out of a document; whoever wrote the document chose it.
    Data,
}

/// Integrity and sources of one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    integrity: Integrity,
    #[serde(default)]
    sources: BTreeSet<String>,
}

impl Label {
    /// A value that the person said.
    #[must_use]
    pub const fn person() -> Self {
        Self {
            integrity: Integrity::Person,
            sources: BTreeSet::new(),
        }
    }

    /// A value that the policy or the product chose.
    #[must_use]
    pub const fn policy() -> Self {
        Self {
            integrity: Integrity::Policy,
            sources: BTreeSet::new(),
        }
    }

    /// A value that the tool `name` computed.
    #[must_use]
    pub fn tool(name: impl Into<String>) -> Self {
        Self {
            integrity: Integrity::Tool,
            sources: BTreeSet::from([name.into()]),
        }
    }

    /// A value taken out of `source`, a file's name as the person knows it.
    #[must_use]
    pub fn data(source: impl Into<String>) -> Self {
        Self {
            integrity: Integrity::Data,
            sources: BTreeSet::from([source.into()]),
        }
    }

    /// Who chose the value.
    #[must_use]
    pub const fn integrity(&self) -> Integrity {
        self.integrity
    }

    /// The files and tools it came from.
    #[must_use]
    pub const fn sources(&self) -> &BTreeSet<String> {
        &self.sources
    }

    /// The label of a value made from both: the lower integrity, all the sources.
    #[must_use]
    pub fn join(mut self, other: &Self) -> Self {
        self.integrity = self.integrity.max(other.integrity);
        self.sources.extend(other.sources.iter().cloned());
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label() -> impl Strategy<Value = Label> {
        let integrity = prop_oneof![
            Just(Integrity::Person),
            Just(Integrity::Policy),
            Just(Integrity::Tool),
            Just(Integrity::Data)
        ];
        (integrity, prop::collection::btree_set("[a-c]", 0..3))
            .prop_map(|(integrity, sources)| Label { integrity, sources })
    }

    proptest! {
        #[test]
        fn labels_are_a_semilattice(a in label(), b in label(), c in label()) {
            prop_assert_eq!(a.clone().join(&b), b.clone().join(&a));
            prop_assert_eq!(a.clone().join(&a), a.clone());
            prop_assert_eq!(a.clone().join(&b).join(&c), a.clone().join(&b.clone().join(&c)));
            let joined = a.clone().join(&b);
            prop_assert!(joined.integrity() >= a.integrity() && joined.sources().is_superset(a.sources()));
        }
    }
}
