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

#[cfg(feature = "cage")]
mod cage;
#[cfg(feature = "cage")]
mod catalog;
#[cfg(feature = "cage")]
mod effects;
mod error;
#[cfg(feature = "cage")]
mod ground;
mod limits;
pub mod names;
#[cfg(feature = "cage")]
mod package;
#[cfg(feature = "cage")]
mod quarantine;
#[cfg(feature = "cage")]
mod release;
mod signature;
#[cfg(feature = "cage")]
mod survey;
#[cfg(feature = "cage")]
#[cfg(test)]
mod testing;

#[cfg(feature = "cage")]
pub use cage::{Cage, Ended, Outcome, Reading};
#[cfg(feature = "cage")]
pub use catalog::Catalog;
#[cfg(feature = "cage")]
pub use cloister_cage::{CageError, Fault, Layer, Limit, Limits, Moment, Program, Used};
#[cfg(feature = "cage")]
pub use effects::{Change, Consent, Consenter, Effect, Effects, Release};
pub use error::ToolError;
#[cfg(feature = "cage")]
pub use package::{Example, Package, Pin, lock_text, pin};
#[cfg(feature = "cage")]
pub use quarantine::{Quarantine, Quarantined, Waiting};
#[cfg(feature = "cage")]
pub use release::{Released, release};
pub use signature::{Case, Handle, Param, Request, Signature, Type};
#[cfg(feature = "cage")]
pub use survey::{GrantedFile, Skipped, Survey};
