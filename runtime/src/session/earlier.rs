//! Whether the question was answered in an earlier session, for what is like this too; and what becomes of such an answer.

use cloister_policies::ReleaseTerms;
use cloister_tools::Effects;

use super::judged::Step;
use super::later::answers;
use super::opened::Opened;
use crate::commands::Desk;
use crate::consent::Asking;
use crate::entries;
use crate::failure::Failure;
use crate::remembered::{ABOUT, Memory, Remembered, Scope};

/// What an earlier answer means for the question that is about to be put.
pub(super) enum Earlier {
    /// It is put each time: the policy says so, nobody is there, or more would happen than new files.
    EachTime,
    /// It is put, and this is what would be remembered if the person says so.
    Offered(Remembered),
    /// It was answered, under this name.
    Given(String),
}

impl Opened {
    /// What the home remembers, and the ledger with it.
    pub(super) fn earlier(
        &self,
        step: &Step,
        terms: &ReleaseTerms,
        effects: &Effects,
    ) -> Result<Earlier, Failure> {
        let days = match (terms, &self.asking) {
            (ReleaseTerms::AfterConsent { remember_days, .. }, Asking::Person(_)) => *remember_days,
            _ => 0,
        };
        let Some(folders) = Scope::folders(effects).filter(|_| days > 0) else {
            return Ok(Earlier::EachTime);
        };
        let scope = Scope {
            agent: self.manifest.agent().to_owned(),
            manifest: self.manifest_digest,
            policy: self.house.policy,
            model: self.model,
            tools: self.house.tools,
            tool: step.tool.clone(),
            folders,
        };
        let home = &self.house.home;
        let given = self.tenure.clock.for_policy().0;
        let standing = Memory::of(home).standing(&scope, given, days, || answers(home))?;
        Ok(match standing {
            Some(id) => Earlier::Given(id),
            None => Earlier::Offered(Remembered { scope, given, days }),
        })
    }

    /// Remember what the person said: the ledger first.
    pub(super) fn remember(&mut self, answer: &Remembered, desk: &Desk) -> Result<(), Failure> {
        self.journal.note(entries::note(ABOUT, &answer.note()?))?;
        Memory::of(&self.house.home).keep(answer)?;
        let said = format!("remembered as {}", answer.id()?);
        desk.screen.say("consent", said);
        Ok(())
    }
}
