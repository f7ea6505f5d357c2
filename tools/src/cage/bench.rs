//! Where handles come from and where they lead: a permit's files for a call, a quarantined file for a preview.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cloister_attest::Digest;
use cloister_cage::{Arg, Handle, Input, Movable, Move, Output, Place, Sink, Source};
use cloister_policies::Call;

use super::Reading;
use crate::effects::{Change, Effect};
use crate::error::ToolError;
use crate::limits::BOUNDS;
use crate::names::{Lines, escape};
use crate::quarantine::{Draft, Quarantine};
use crate::signature::{Binder, op};
use crate::survey::Survey;

/// A binder that knows afterwards what was done with the handles.
pub(super) trait Bench: Binder {
    /// What was read.
    fn readings(&self) -> Vec<Reading>;
    /// What was written and asked for, made durable in quarantine.
    fn effects(&mut self, moves: &[Move]) -> Result<Vec<Effect>, ToolError>;
}

/// The bench of a permitted call.
pub(super) struct Workbench<'a> {
    survey: &'a Survey,
    quarantine: &'a Quarantine,
    call: &'a Call,
    inputs: Vec<Reader>,
    outputs: Vec<Writing>,
    movables: Vec<PathBuf>,
    places: Vec<PathBuf>,
    budget: Arc<AtomicU64>,
}

struct Writing {
    path: PathBuf,
    draft: Arc<Mutex<Draft>>,
    failed: Arc<AtomicU64>,
}

impl<'a> Workbench<'a> {
    pub(super) fn new(
        survey: &'a Survey,
        quarantine: &'a Quarantine,
        call: &'a Call,
    ) -> Workbench<'a> {
        let budget = Arc::new(AtomicU64::new(BOUNDS.input_bytes));
        Workbench {
            survey,
            quarantine,
            call,
            inputs: Vec::new(),
            outputs: Vec::new(),
            movables: Vec::new(),
            places: Vec::new(),
            budget,
        }
    }

    /// Files and tools that the call's result comes from.
    fn sources(&self) -> BTreeSet<String> {
        let read = self.readings().into_iter().map(|r| r.name);
        self.call
            .args()
            .iter()
            .flat_map(|a| a.label.sources().iter().cloned())
            .chain(read)
            .collect()
    }

    fn written(
        &self,
        writing: &Writing,
        sources: &BTreeSet<String>,
    ) -> Result<Option<Effect>, ToolError> {
        let mut draft = writing.draft.lock().unwrap_or_else(PoisonError::into_inner);
        if writing.failed.load(Ordering::Relaxed) > 0 {
            return Err(ToolError::Io {
                doing: "write",
                path: writing.path.clone(),
                source: ErrorKind::Other.into(),
            });
        }
        if draft.bytes() == 0 {
            return Ok(None); // an optional output that the tool did not use
        }
        let ground = self.survey.ground(&writing.path)?;
        let change = match ground.read(&writing.path) {
            Ok((file, _)) => {
                let (before, _) =
                    Digest::of_reader(file).map_err(ToolError::io("read", &writing.path))?;
                Change::Replace {
                    path: writing.path.clone(),
                    before,
                }
            }
            Err(ToolError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Change::Create {
                    path: writing.path.clone(),
                }
            }
            Err(error) => return Err(error),
        };
        let effect = Effect {
            id: draft.id().into(),
            digest: draft.digest(),
            bytes: draft.bytes(),
            ground: ground.path().into(),
            from_ground: None,
            ..self.effect(change, sources)
        };
        draft
            .keep(&effect)
            .map_err(ToolError::io("keep", &writing.path))?;
        Ok(Some(effect))
    }

    fn moved(&self, wish: &Move, sources: &BTreeSet<String>) -> Result<Effect, ToolError> {
        let unknown = || ToolError::NotGranted {
            name: "a moved file".into(),
        };
        let from = self.movables.get(wish.file as usize).ok_or_else(unknown)?;
        let to = self.places.get(wish.place as usize).ok_or_else(unknown)?;
        let (from_ground, ground) = (self.survey.ground(from)?, self.survey.ground(to)?);
        let (digest, bytes) =
            Digest::of_reader(self.survey.open(from)?.0).map_err(ToolError::io("read", from))?;
        let mut draft = self.quarantine.draft().map_err(ToolError::io("keep", to))?;
        let effect = Effect {
            id: draft.id().into(),
            digest,
            bytes,
            ground: ground.path().into(),
            from_ground: Some(from_ground.path().into()),
            ..self.effect(
                Change::Move {
                    from: from.clone(),
                    to: to.clone(),
                },
                sources,
            )
        };
        draft.keep(&effect).map_err(ToolError::io("keep", to))?;
        Ok(effect)
    }

    fn effect(&self, change: Change, sources: &BTreeSet<String>) -> Effect {
        let (call, tool) = (self.call.id().to_string(), self.call.tool().to_string());
        let mut effect = Effect {
            id: String::new(),
            call,
            tool,
            name: String::new(),
            change,
            digest: Digest::ZERO,
            bytes: 0,
            sources: sources.clone(),
            ground: PathBuf::new(),
            from_ground: None,
        };
        effect.name = self.survey.name_of(effect.path());
        effect
    }
}

impl Binder for Workbench<'_> {
    fn bind(&mut self, parameter: &str, handle: Handle, name: &str) -> Result<Arg, ToolError> {
        let path = self.survey.resolve(handle, name)?;
        let judged = self
            .call
            .resources()
            .iter()
            .any(|r| r.op == op(handle) && r.path == path && r.parameter == parameter);
        if !judged {
            return Err(ToolError::NotGranted {
                name: escape(name, Lines::Escape),
            }); // the policy was not asked about this one
        }
        let name = self.survey.name_of(&path);
        Ok(match handle {
            Handle::Input => {
                let (file, stat) = self.survey.open(&path)?;
                let reader = Reader::new(name.clone(), path, file, stat.st_size, &self.budget);
                self.inputs.push(reader.clone());
                Arg::Input(Input {
                    name,
                    source: Box::new(reader),
                })
            }
            Handle::Output => {
                let draft = Arc::new(Mutex::new(
                    self.quarantine
                        .draft()
                        .map_err(ToolError::io("write", &path))?,
                ));
                let failed = Arc::new(AtomicU64::new(0));
                let sink = Box::new(Writer {
                    draft: Arc::clone(&draft),
                    failed: Arc::clone(&failed),
                });
                self.outputs.push(Writing {
                    path,
                    draft,
                    failed,
                });
                Arg::Output(Output { name, sink })
            }
            Handle::Movable => {
                self.movables.push(path);
                Arg::Movable(Movable {
                    name,
                    id: last(self.movables.len()),
                })
            }
            Handle::Place => {
                self.places.push(path);
                Arg::Place(Place {
                    name,
                    id: last(self.places.len()),
                })
            }
        })
    }
}

fn last(length: usize) -> u32 {
    u32::try_from(length.saturating_sub(1)).unwrap_or(u32::MAX)
}

impl Bench for Workbench<'_> {
    fn readings(&self) -> Vec<Reading> {
        self.inputs.iter().filter_map(Reader::reading).collect()
    }

    fn effects(&mut self, moves: &[Move]) -> Result<Vec<Effect>, ToolError> {
        let sources = self.sources();
        let mut effects = Vec::new();
        for writing in &self.outputs {
            effects.extend(self.written(writing, &sources)?);
        }
        for wish in moves {
            effects.push(self.moved(wish, &sources)?);
        }
        Ok(effects)
    }
}

/// The bench of a preview: one quarantined file, to be read.
pub(super) struct Inspection<'a> {
    quarantine: &'a Quarantine,
    effect: &'a Effect,
    inputs: Vec<Reader>,
}

impl<'a> Inspection<'a> {
    pub(super) fn new(quarantine: &'a Quarantine, effect: &'a Effect) -> Inspection<'a> {
        Inspection {
            quarantine,
            effect,
            inputs: Vec::new(),
        }
    }
}

impl Binder for Inspection<'_> {
    fn bind(&mut self, _: &str, handle: Handle, name: &str) -> Result<Arg, ToolError> {
        if handle != Handle::Input || name != self.effect.name() || self.effect.is_move() {
            return Err(ToolError::NotGranted {
                name: escape(name, Lines::Escape),
            });
        }
        let file = self.quarantine.bytes(self.effect)?;
        let size = i64::try_from(self.effect.bytes()).unwrap_or(i64::MAX);
        let budget = Arc::new(AtomicU64::new(BOUNDS.input_bytes));
        let reader = Reader::new(name.into(), self.effect.path().into(), file, size, &budget);
        self.inputs.push(reader.clone());
        Ok(Arg::Input(Input {
            name: name.into(),
            source: Box::new(reader),
        }))
    }
}

impl Bench for Inspection<'_> {
    fn readings(&self) -> Vec<Reading> {
        self.inputs.iter().filter_map(Reader::reading).collect()
    }

    fn effects(&mut self, _: &[Move]) -> Result<Vec<Effect>, ToolError> {
        Ok(Vec::new())
    }
}

/// An input that is taken into memory and hashed at its first read, so that the digest is of the very bytes that the tool sees. A file
/// that is only listed is never read.
#[derive(Clone)]
struct Reader {
    name: String,
    path: PathBuf,
    state: Arc<Mutex<Content>>,
}

struct Content {
    file: Option<File>,
    size: u64,
    bytes: Vec<u8>,
    digest: Option<Digest>,
    budget: Arc<AtomicU64>,
}

impl Reader {
    fn new(name: String, path: PathBuf, file: File, size: i64, budget: &Arc<AtomicU64>) -> Reader {
        let size = u64::try_from(size).unwrap_or_default();
        let content = Content {
            file: Some(file),
            size,
            bytes: Vec::new(),
            digest: None,
            budget: Arc::clone(budget),
        };
        Reader {
            name,
            path,
            state: Arc::new(Mutex::new(content)),
        }
    }

    fn reading(&self) -> Option<Reading> {
        let content = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        content.digest.map(|sha256| Reading {
            name: self.name.clone(),
            path: self.path.clone(),
            sha256,
            bytes: content.size,
        })
    }
}

impl Content {
    /// Reads and hashes the file the first time. What failed once stays failed: no byte is handed over that no digest stands for.
    fn load(&mut self) -> std::io::Result<()> {
        match self.file.take() {
            Some(file) => self.take(file).inspect_err(|_| self.bytes = Vec::new()),
            None if self.digest.is_some() => Ok(()),
            None => Err(std::io::Error::other("it could not be read before")),
        }
    }

    fn take(&mut self, file: File) -> std::io::Result<()> {
        let left = self.budget.load(Ordering::Relaxed);
        if self.size > left {
            return Err(ErrorKind::FileTooLarge.into());
        }
        file.take(left.saturating_add(1))
            .read_to_end(&mut self.bytes)?;
        self.size = self.bytes.len() as u64;
        if self.size > left {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.budget
            .store(left.saturating_sub(self.size), Ordering::Relaxed);
        self.digest = Some(Digest::of(&self.bytes));
        Ok(())
    }
}

impl Source for Reader {
    fn size(&self) -> u64 {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut content = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        content.load()?;
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| content.bytes.get(at..))
            .unwrap_or_default();
        let length = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(length)
    }
}

/// An output whose bytes go to quarantine. A failed write is remembered: a tool that ignores it must not get half a file released.
struct Writer {
    draft: Arc<Mutex<Draft>>,
    failed: Arc<AtomicU64>,
}

impl Sink for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let written = self
            .draft
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes);
        if written.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_whole_is_not_handed_over_at_the_second_try() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("grew.txt");
        std::fs::write(&path, "more than there is room for").unwrap();
        let budget = Arc::new(AtomicU64::new(4));
        let file = File::open(&path).unwrap();
        let mut reader = Reader::new("grew.txt".into(), path, file, 2, &budget);
        let mut buffer = [0; 8];
        for _ in 0..2 {
            assert!(reader.read_at(0, &mut buffer).is_err());
            assert!(reader.reading().is_none());
        }
        assert_eq!(budget.load(Ordering::Relaxed), 4);
    }
}
