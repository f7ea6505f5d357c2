//! Tools: what a component offers (catalogue, signatures), what the grants hold on disk (survey), how a permit runs (cage), and what waits
//! for a person (quarantine, effects). May open what a grant or a permit names, beneath the granted folder, and start the cage.

mod cage;
mod catalog;
mod effects;
mod error;
mod ground;
mod limits;
pub mod names;
mod package;
mod quarantine;
mod release;
mod signature;
mod survey;
#[cfg(test)]
mod testing;

pub use cage::{Cage, Ended, Outcome, Reading};
pub use catalog::Catalog;
pub use cloister_cage::{Fault, Limit, Limits, Moment, Used};
pub use effects::{Change, Consent, Consenter, Effect, Effects, Release};
pub use error::ToolError;
pub use package::{Example, Package, Pin, lock_text, pin};
pub use quarantine::{Quarantine, Quarantined, Waiting};
pub use release::{Released, release};
pub use signature::{Case, Handle, Param, Request, Signature, Type};
pub use survey::{GrantedFile, Skipped, Survey};
