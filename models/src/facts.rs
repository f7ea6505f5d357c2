//! What a model's header tells of its kind and size, kept for whoever describes or measures it. Reads the header only.

use crate::Gguf;
use crate::error::shown;

/// By the header of the bytes that were loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `general.architecture`.
    pub architecture: String,
    /// The writer's word for the size, as `1.5B`.
    pub size_label: Option<String>,
    /// The writer's number for the mix of types, `general.file_type`.
    pub file_type: Option<u32>,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// Elements of all tensors.
    pub elements: u64,
    /// Bytes of the tensors that each token reads whole: all but an embedding table that is not the head too.
    pub token_bytes: u64,
}

impl Facts {
    /// A description refuses nothing: what is missing or of another type is left out.
    pub(crate) fn of(gguf: &Gguf<'_>) -> Self {
        let text = |key| {
            let found = gguf.find::<&str>(key).unwrap_or_default();
            found.map(shown)
        };
        let mut facts = Self {
            architecture: text("general.architecture").unwrap_or_default(),
            size_label: text("general.size_label"),
            file_type: gguf.find("general.file_type").unwrap_or_default(),
            bytes: 0,
            elements: 0,
            token_bytes: 0,
        };
        let tied = gguf.tensor("output.weight").is_none();
        for tensor in gguf.tensors() {
            let bytes = tensor.range().len() as u64;
            let elements = tensor.dims().iter().map(|dim| *dim as u64).product();
            facts.bytes = facts.bytes.saturating_add(bytes);
            facts.elements = facts.elements.saturating_add(elements);
            if tied || tensor.name() != "token_embd.weight" {
                facts.token_bytes = facts.token_bytes.saturating_add(bytes);
            }
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::gguf_file::Value;

    use crate::testing::{self, HIDDEN};

    #[test]
    fn what_is_told_of_a_model_is_of_the_loaded_bytes() {
        let mut metadata = testing::metadata("llama");
        let label = Value::String("1\u{1b}B".to_owned());
        metadata.push(("general.size_label".to_owned(), label));
        metadata.push(("general.file_type".to_owned(), Value::U32(7)));
        let mut tensors = testing::tensors("llama");
        let tied = testing::load(testing::write(&metadata, &tensors)).unwrap();
        let tied = tied.facts();
        assert_eq!(tied.architecture, "llama");
        assert_eq!(tied.size_label.as_deref(), Some("1\\u{1b}B"));
        assert_eq!((tied.file_type, tied.token_bytes), (Some(7), tied.bytes));
        let (_, embeddings) = tensors.first().unwrap();
        let head = embeddings.data().unwrap().into_owned();
        let table = head.len() as u64;
        let storage = candle_core::quantized::QStorage::from_data(
            head.into(),
            &candle_core::Device::Cpu,
            embeddings.dtype(),
        );
        let shape = embeddings.shape().clone();
        let head = candle_core::quantized::QTensor::new(storage.unwrap(), shape).unwrap();
        tensors.push(("output.weight".to_owned(), head));
        let apart = testing::load(testing::write(&metadata, &tensors)).unwrap();
        let apart = apart.facts();
        assert_eq!(apart.bytes, tied.bytes + table);
        assert_eq!(apart.elements, tied.elements + (259 * HIDDEN) as u64);
        assert_eq!(apart.token_bytes, tied.bytes);
    }
}
