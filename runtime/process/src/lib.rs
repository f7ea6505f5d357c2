//! What the processes of ours that hold nothing have in common, the cage's and the model's: the layers that they put on (`seal`), as a value
//! ([`Layers`]), how they are started and ended ([`Process`]), and the frames that they speak in ([`frame`]).
//!
//! Feature `seal` is the side that gives everything up, `pipe` what hands over much; without them the agent's side of a call is left.

mod child;
pub mod frame;
mod layer;
#[cfg(feature = "pipe")]
mod pipe;
#[cfg(feature = "seal")]
pub mod seal;

pub use child::{CALLED_OFF, LOOK, Process, SEALING, Until};
pub use layer::{Layer, Layers};
#[cfg(feature = "pipe")]
pub use pipe::wide_pipe;
