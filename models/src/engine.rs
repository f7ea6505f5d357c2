//! A model ready to run: weights on a device, tokenizer, vocabulary for grammars. Made from the pinned bytes only; opens nothing.

use std::io::Read;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use candle_core::Device;
use cloister_kernels::processors;

use crate::ModelError;
use crate::arch::{Backend, Feed, Graph};
use crate::facts::Facts;
use crate::gains::Gains;
use crate::gguf::{self, Gguf};
use crate::grammar::Vocabulary;
use crate::needs::Needs;
use crate::registry::{ModelDigest, ModelName, Pin};
use crate::session::Session;
use crate::template::Template;
use crate::tokenizer::Tokenizer;
use crate::watch::Watch;

/// What a session may hold.
struct Limits {
    /// Positions. 32 768: 0.8 GB of keys and values in a 0.5B model, more than any task of ours reads.
    context: usize,
}

const LIMITS: Limits = Limits { context: 32_768 };

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// Our kernels on the processor, as many threads as it runs at once; candle where they do not know the file.
    #[default]
    Cpu,
    /// The same with this many threads.
    Threads(usize),
    /// candle on the processor: what our kernels are compared with.
    Candle,
    /// The first NVIDIA card; needs the feature `cuda`.
    Cuda,
    /// Apple's graphics; needs the feature `metal`.
    Metal,
}

impl DeviceChoice {
    fn load(self, gguf: &Gguf<'_>, feed: &mut Feed<'_>) -> Result<Graph, ModelError> {
        let (device, opened) = match self {
            Self::Cpu => return Graph::on_processor(gguf, processors(), feed),
            Self::Threads(threads) => return Graph::on_processor(gguf, threads, feed),
            Self::Candle => ("candle", Ok(Device::Cpu)),
            Self::Cuda => ("cuda", Device::new_cuda(0)),
            Self::Metal => ("metal", Device::new_metal(0)),
        };
        let opened = opened.map_err(|error| ModelError::Device {
            device,
            reason: error.to_string(),
        })?;
        Graph::on_device(gguf, &opened, format!("`{device}` was asked for"), feed)
    }
}

/// A loaded model. Immutable and `Send`; sessions borrow it.
pub struct Engine {
    name: ModelName,
    sha256: ModelDigest,
    facts: Facts,
    graph: Graph,
    language: Language,
}

/// What a file says about text.
struct Language {
    tokenizer: Arc<Tokenizer>,
    vocabulary: Vocabulary,
    /// Or why there is none: a base model has no turns.
    template: Result<Template, String>,
}

impl Language {
    fn read(gguf: &Gguf<'_>) -> Result<Self, ModelError> {
        let tokenizer = Arc::new(Tokenizer::new(gguf)?);
        let vocabulary = Vocabulary::new(&tokenizer)?;
        let template = match Template::new(gguf, Arc::clone(&tokenizer)) {
            Ok(template) => Ok(template),
            Err(ModelError::Template { why }) => Err(why),
            Err(other) => return Err(other),
        };
        Ok(Self {
            tokenizer,
            vocabulary,
            template,
        })
    }
}

impl Engine {
    /// Reads a pinned model and makes it ready, in one pass: each byte is read once, hashed, and packed. There is no engine unless the hash is the
    /// pinned one.
    ///
    /// # Errors
    /// As [`Pin::read`]; every fault of the file by name; [`ModelError::Room`]; [`ModelError::Device`].
    pub fn load(
        pin: &Pin,
        reader: &mut dyn Read,
        device: DeviceChoice,
        watch: &mut dyn Watch,
    ) -> Result<Self, ModelError> {
        pin.read(reader, watch, |bytes, watch| {
            Self::load_passed(pin, bytes, device, watch)
        })
    }

    /// The same in a process that is handed a pinned model's bytes by one that hashes them as it hands them on, by [`Pin::read`], and that asks
    /// for nothing of this engine unless the hash was the pinned one. Here they are not hashed.
    ///
    /// # Errors
    /// As [`Engine::load`], but for the hash and the length.
    pub fn load_passed(
        pin: &Pin,
        bytes: &mut dyn Read,
        device: DeviceChoice,
        watch: &mut dyn Watch,
    ) -> Result<Self, ModelError> {
        let len = pin.len()?;
        let front = gguf::read_front(bytes, len)?;
        let gguf = Gguf::parse_front(&front, len)?;
        if let Some(needs) = Self::needs(&gguf, device)? {
            needs.within(watch.available())?;
        }
        let mut feed = Feed::new(&front, bytes, watch, len);
        let (language, graph) = thread::scope(|scope| {
            let language = scope.spawn(|| Language::read(&gguf));
            let graph = device.load(&gguf, &mut feed);
            (language.join().unwrap_or_else(|p| resume_unwind(p)), graph)
        });
        let graph = graph?; // first: an interruption is heard whatever the tokenizer says
        Self::new(pin, Facts::of(&gguf), language?, graph)
    }

    fn new(pin: &Pin, facts: Facts, language: Language, graph: Graph) -> Result<Self, ModelError> {
        let size = language.tokenizer.size();
        if size > graph.vocabulary() {
            return Err(ModelError::Shape {
                what: "tokenizer.ggml.tokens",
                value: size as u64,
                fault: "the model has fewer embeddings than the tokenizer has tokens",
            });
        }
        Ok(Self {
            name: pin.name().clone(),
            sha256: pin.sha256(),
            facts,
            graph,
            language,
        })
    }

    /// What this file would take, by its header. `None` where its weights go to the memory of a card.
    ///
    /// # Errors
    /// An architecture that is not known, and numbers that are missing or contradict each other.
    pub fn needs(gguf: &Gguf<'_>, device: DeviceChoice) -> Result<Option<Needs>, ModelError> {
        Needs::of(gguf, device, LIMITS.context)
    }

    /// A new, empty conversation.
    ///
    /// # Errors
    /// [`ModelError::Positions`].
    pub fn session(&self) -> Result<Session<'_>, ModelError> {
        self.session_with(Gains::default())
    }

    /// The same with these shortcuts and no others.
    ///
    /// # Errors
    /// [`ModelError::Positions`].
    pub fn session_with(&self, gains: Gains) -> Result<Session<'_>, ModelError> {
        Session::new(self, self.context(), gains)
    }

    /// How many tokens a session can hold: what the model was trained for, within our limit.
    #[must_use]
    pub fn context(&self) -> usize {
        self.graph.context().min(LIMITS.context)
    }

    /// The name under which the model is pinned.
    #[must_use]
    pub fn name(&self) -> &ModelName {
        &self.name
    }

    /// SHA-256 of the bytes that were loaded, as it is pinned.
    #[must_use]
    pub fn sha256(&self) -> ModelDigest {
        self.sha256
    }

    /// What its header tells of its kind and size.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Text to tokens and back.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.language.tokenizer
    }

    /// How turns are written.
    ///
    /// # Errors
    /// [`ModelError::Template`] when the model has no template, or one that is not known here. It can still continue plain text.
    pub fn template(&self) -> Result<&Template, ModelError> {
        self.language
            .template
            .as_ref()
            .map_err(|why| ModelError::Template { why: why.clone() })
    }

    /// What constraints are bound to.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.language.vocabulary
    }

    /// What computes it.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.graph.backend()
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::{Progress, testing};

    #[test]
    fn a_tokenizers_fault_does_not_hide_an_interruption() {
        let mut metadata = testing::metadata("llama");
        metadata.retain(|(key, _)| key != "tokenizer.ggml.tokens");
        let file = testing::write(&metadata, &testing::tensors("llama"));
        let mut stop = |_: Progress| ControlFlow::Break(());
        let stopped = testing::load_watched(file.clone(), DeviceChoice::Threads(1), &mut stop);
        assert!(matches!(stopped, Err(ModelError::Interrupted)));
        let refused = testing::load(file).err().unwrap();
        assert!(
            matches!(refused, ModelError::KeyMissing { .. }),
            "{refused}"
        );
    }
}
