//! Tools: what a component offers (catalogue, signatures), what the grants hold on disk (survey), how a permit runs (cage), and what waits
//! for a person (quarantine, effects). May open what a grant or a permit names, beneath the granted folder, and start the cage.
//!
//! Without the feature `cage` only signatures are left, for the fuzz targets.

#![cfg_attr(
    not(feature = "cage"),
    expect(
        dead_code,
        unused_imports,
        reason = "what a signature is for is left out"
    )
)]

mod error;
mod limits;
pub mod names;
mod signature;

/// What a signature is for. Its files lie here, beside the others.
#[cfg(feature = "cage")]
#[path = ""]
mod whole {
    pub(crate) mod cage;
    pub(crate) mod catalog;
    pub(crate) mod code;
    pub(crate) mod effects;
    #[cfg(test)]
    mod escapes;
    pub(crate) mod ground;
    pub(crate) mod kept;
    pub(crate) mod package;
    pub(crate) mod quarantine;
    pub(crate) mod release;
    pub(crate) mod survey;
    #[cfg(test)]
    pub(crate) mod testing;
    pub(crate) mod undo;

    pub use cage::{Cage, Ended, Outcome, Reading, Watch};
    pub use catalog::{Catalog, pins};
    pub use cloister_cage::{
        CageError, Fault, Kind, Layer, Limit, Limits, Mind, Moment, Nobody, Program, Question,
        Task, UNSEEN, Unanswered, Used,
    };
    pub use effects::{Change, Consent, Consenter, Effect, Effects, Release};
    pub use kept::{Kept, Shelf};
    pub use package::{Example, Package, Pin, lock_text, pin};
    pub use quarantine::{Quarantine, Quarantined, Waiting};
    pub use release::{Released, release};
    pub use survey::{GrantedFile, Skipped, Survey};
    pub use undo::Standing;
}

pub use error::ToolError;
pub use signature::{Case, Handle, Param, Request, Signature, Type};
#[cfg(feature = "cage")]
pub use whole::*;
