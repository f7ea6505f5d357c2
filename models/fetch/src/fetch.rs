//! The transfer: ask from where we are, append, and ask again when the connection is cut, until the file is whole.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{FetchError, Kept};
use crate::hub::{Answer, Remote};
use crate::part::{Part, hash_of};
use crate::progress::Progress;
use crate::request::{FilePath, Repository, Sha256Hex};

/// How much is fetched and how stubbornly.
struct Limits {
    /// One file, bytes. 1 TiB: beyond any model that a single machine can hold in memory.
    file: u64,
    /// Tries without a single further byte. 5: with the pauses, some six seconds of a dead line.
    tries: u32,
    /// The first pause between tries; each further one is twice as long. 200 ms.
    pause: Duration,
    /// Taken from the network at once, bytes. 64 KiB: one read of a fast line.
    chunk: usize,
}

const LIMITS: Limits = Limits {
    file: 1 << 40,
    tries: 5,
    pause: Duration::from_millis(200),
    chunk: 64 << 10,
};

/// Fetches the file into the folder, unless it is there already. Returns where it is.
pub(crate) fn run(
    repository: &Repository,
    file: &FilePath,
    want: Sha256Hex,
    out: &Path,
) -> Result<PathBuf, FetchError> {
    let target = file.below(out);
    match hash_of(&target)? {
        Some(got) if got == want => return Ok(target),
        Some(got) => {
            return Err(FetchError::WrongHash {
                path: target,
                got,
                want,
                kept: Kept::InPlace,
            });
        }
        None => {}
    }
    let remote = Remote::new(repository, file)?;
    let mut part = Part::open(&target)?;
    let mut progress = Progress::new();
    let left = part.length();
    if left > 0 && !part.is(want) {
        progress.say(&format!("going on at byte {left}"));
    }
    if !part.is(want) {
        transfer(&remote, &mut part, &mut progress)?;
    }
    if left > 0 && !part.is(want) {
        progress.say("what an earlier run left does not fit: beginning anew");
        part.restart()?;
        transfer(&remote, &mut part, &mut progress)?;
    }
    progress.end();
    part.finish(want)
}

/// How one try ended.
enum Try {
    Whole,
    Cut(String),
}

fn transfer(remote: &Remote, part: &mut Part, progress: &mut Progress) -> Result<(), FetchError> {
    let mut idle = 0;
    let mut furthest = part.length();
    loop {
        let Try::Cut(why) = attempt(remote, part, progress)? else {
            return Ok(());
        };
        idle = if part.length() > furthest {
            0
        } else {
            idle + 1
        };
        furthest = furthest.max(part.length());
        if idle >= LIMITS.tries {
            return Err(FetchError::Cut {
                attempts: idle,
                have: part.length(),
                why,
            });
        }
        progress.say(&format!(
            "the connection was cut at byte {}: {why}",
            part.length()
        ));
        std::thread::sleep(LIMITS.pause.saturating_mul(1 << idle));
    }
}

fn attempt(remote: &Remote, part: &mut Part, progress: &mut Progress) -> Result<Try, FetchError> {
    let (from, total, mut body) = match remote.ask(part.length())? {
        Answer::Trouble(why) => return Ok(Try::Cut(why)),
        Answer::Nothing => return Ok(Try::Whole), // the hash says whether it is
        Answer::Bytes { from, total, body } => (from, total, body),
    };
    if from != part.length() {
        part.restart()?; // the hub cannot send parts
    }
    if total.is_some_and(|total| total > LIMITS.file) {
        return Err(FetchError::TooLarge {
            url: remote.url().to_owned(),
            limit: LIMITS.file,
        });
    }
    let mut buffer = vec![0; LIMITS.chunk];
    loop {
        let got = match body.read(&mut buffer) {
            Ok(0) => return Ok(ended(part.length(), total)),
            Ok(got) => got,
            Err(error) => return Ok(Try::Cut(error.to_string())),
        };
        part.append(buffer.get(..got).unwrap_or_default())?;
        progress.at(part.length(), total);
        if part.length() > total.unwrap_or(LIMITS.file) {
            return Err(FetchError::TooLarge {
                url: remote.url().to_owned(),
                limit: total.unwrap_or(LIMITS.file),
            });
        }
    }
}

fn ended(have: u64, total: Option<u64>) -> Try {
    match total {
        Some(total) if have < total => Try::Cut(format!("{have} of {total} bytes came")),
        _ => Try::Whole,
    }
}
