//! Many rules, one verdict: the strictest wins, and nothing said at all forbids. Touches nothing.

use crate::decision::Rule;
use crate::rego::{Outcome, Said};

/// What all rules together say.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) decision: Outcome,
    pub(crate) rule: String,
    pub(crate) reason: String,
    /// The smallest of those said.
    pub(crate) ttl_seconds: Option<u64>,
    /// The smallest of those said.
    pub(crate) max_uses: Option<u64>,
    /// Of a question, the smallest of those said; 0 where one of them said none.
    pub(crate) remember_days: u64,
    /// Everything that was said, in order.
    pub(crate) said: Vec<Said>,
}

impl Verdict {
    /// The strictest of `said`; among equals the one that caps the time lowest, then the first.
    pub(crate) fn of(said: Vec<Said>) -> Self {
        let ttl_seconds = said.iter().filter_map(|said| said.ttl_seconds).min();
        let max_uses = said.iter().filter_map(|said| said.max_uses).min();
        let lowest = |said: &Said| said.ttl_seconds.unwrap_or(u64::MAX);
        let strictest = said
            .iter()
            .reduce(|best, next| {
                let stricter = (next.decision, std::cmp::Reverse(lowest(next)))
                    > (best.decision, std::cmp::Reverse(lowest(best)));
                if stricter { next } else { best }
            })
            .cloned()
            .unwrap_or_else(|| Said::forbid("default", "no rule of the policy allows it"));
        let questions = said.iter().filter(|said| said.decision == Outcome::Ask);
        let remember_days = match strictest.decision {
            Outcome::Ask => questions.map(|said| said.remember_days.unwrap_or(0)).min(),
            Outcome::Permit | Outcome::Forbid => None,
        };
        Self {
            decision: strictest.decision,
            rule: strictest.rule,
            reason: strictest.reason,
            ttl_seconds,
            max_uses,
            remember_days: remember_days.unwrap_or(0),
            said,
        }
    }

    /// Every other rule that asks, in order.
    pub(crate) fn also_ask(&self) -> Vec<Rule> {
        let asking = self
            .said
            .iter()
            .filter(|said| said.decision == Outcome::Ask);
        let rules = asking.map(|said| Rule {
            rule: said.rule.clone(),
            reason: said.reason.clone(),
        });
        rules.filter(|rule| *rule != self.by()).collect()
    }

    /// The rule and its reason.
    pub(crate) fn by(&self) -> Rule {
        Rule {
            rule: self.rule.clone(),
            reason: self.reason.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(decision: Outcome, rule: &str) -> Said {
        Said {
            decision,
            rule: rule.into(),
            reason: String::new(),
            ttl_seconds: None,
            max_uses: None,
            remember_days: None,
        }
    }

    #[test]
    fn strictest_wins_in_any_order() {
        let all = [
            said(Outcome::Permit, "p"),
            said(Outcome::Forbid, "f"),
            said(Outcome::Ask, "a"),
        ];
        for turn in 0..3 {
            let mut turned = all.to_vec();
            turned.rotate_left(turn);
            assert_eq!(Verdict::of(turned).rule, "f");
        }
        assert_eq!(Verdict::of(vec![all[0].clone(), all[2].clone()]).rule, "a");
    }

    #[test]
    fn an_answer_is_remembered_no_longer_than_any_question_lets() {
        let asks = |remember_days| Said {
            remember_days,
            ..said(Outcome::Ask, "a")
        };
        let days = |all: &[Said]| Verdict::of(all.to_vec()).remember_days;
        assert_eq!(days(&[asks(Some(7)), asks(Some(3))]), 3);
        assert_eq!(days(&[asks(Some(7)), asks(None)]), 0);
        assert_eq!(days(&[asks(Some(7)), said(Outcome::Permit, "p")]), 7);
        assert_eq!(days(&[said(Outcome::Permit, "p")]), 0);
        assert_eq!(days(&[asks(Some(7)), said(Outcome::Forbid, "f")]), 0);
    }

    #[test]
    fn nothing_said_forbids() {
        assert_eq!(Verdict::of(Vec::new()).decision, Outcome::Forbid);
    }
}
