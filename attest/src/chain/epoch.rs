//! Key epochs: which key signs now, and when it must hand over to the next (SPEC.md section 13). Pure.

use crate::LIMITS;
use crate::entry::Entry;
use crate::entry::body::Rotate;
use crate::evidence::UnixMillis;
use crate::keys::SessionPublic;

/// Version of the entries of sessions that one key signs from start to end.
const ONE_KEY: u64 = 1;

/// The stretch of a session that one key signs. Its last entry is a `rotate`, or the last of the session.
#[derive(Debug, Clone)]
pub(crate) struct Epoch {
    /// Version of the session's entries.
    version: u64,
    number: u64,
    public: SessionPublic,
    /// Number of its first entry.
    first: u64,
    since: UnixMillis,
}

impl Epoch {
    /// The epoch that begins with the session's first entry, under the key that the statement names.
    pub(crate) fn first(public: SessionPublic, entry: &Entry) -> Self {
        Self {
            version: entry.v,
            number: 0,
            public,
            first: entry.seq,
            since: entry.ts,
        }
    }

    /// The key that signs in it.
    pub(crate) fn public(&self) -> SessionPublic {
        self.public
    }

    /// Number of the epoch within its session, from 0.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether nothing but the hand-over may be written as entry `seq` at `ts`. Sessions of version 1 have one key throughout.
    pub(crate) fn over(&self, seq: u64, ts: UnixMillis) -> bool {
        let place = seq.saturating_sub(self.first).saturating_add(1);
        let age = ts.get().saturating_sub(self.since.get());
        self.version != ONE_KEY && (place >= LIMITS.epoch_entries || age >= LIMITS.epoch_millis)
    }

    /// The epoch that follows, as `entry` hands over to it.
    pub(crate) fn hand_over(&self, rotate: &Rotate, entry: &Entry) -> Result<Self, String> {
        if self.version == ONE_KEY {
            return Err("a key is handed over in a session that has one key only".to_owned());
        }
        let number = self.number.saturating_add(1);
        if rotate.epoch != number {
            return Err(format!(
                "the key handed over is that of epoch {}, expected {number}",
                rotate.epoch
            ));
        }
        if rotate.next == self.public {
            return Err("the key is handed over to itself".to_owned());
        }
        Ok(Self {
            number,
            public: rotate.next,
            first: entry.seq.saturating_add(1),
            since: entry.ts,
            ..self.clone()
        })
    }
}
