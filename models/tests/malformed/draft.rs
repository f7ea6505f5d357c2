//! A GGUF file in parts, each of which may be made to lie. Nothing is checked here: what is said is written.

/// Where the draft's numbers are left to be counted, `None`; a lie is `Some`.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) magic: Vec<u8>,
    pub(crate) version: u32,
    pub(crate) tensor_count: Option<u64>,
    pub(crate) key_count: Option<u64>,
    pub(crate) keys: Vec<Key>,
    pub(crate) tensors: Vec<Tensor>,
    /// What the data is laid out by, whatever `general.alignment` says.
    pub(crate) alignment: usize,
    /// Behind the last tensor.
    pub(crate) tail: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Value,
}

/// A GGUF value type and the bytes behind it.
#[derive(Clone)]
pub(crate) struct Value(pub(crate) u32, pub(crate) Vec<u8>);

#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: Vec<u8>,
    /// How many dimensions are claimed, where that is not how many there are.
    pub(crate) rank: Option<u32>,
    /// Innermost first, as in the file.
    pub(crate) dims: Vec<u64>,
    pub(crate) kind: u32,
    pub(crate) offset: Option<u64>,
    pub(crate) data: Vec<u8>,
}

/// A draft as bytes, and where its parts begin.
pub(crate) struct Layout {
    pub(crate) bytes: Vec<u8>,
    /// Of each key: its name's length, its name, its value's type, its value.
    pub(crate) keys: Vec<[usize; 4]>,
    /// Of each tensor: its name's length, its name, its rank.
    pub(crate) tensors: Vec<[usize; 3]>,
    /// The first tensor's data.
    pub(crate) data: usize,
}

impl Draft {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.layout().bytes
    }

    pub(crate) fn layout(&self) -> Layout {
        let mut out = self.magic.clone();
        out.extend(self.version.to_le_bytes());
        out.extend(
            self.tensor_count
                .unwrap_or(self.tensors.len() as u64)
                .to_le_bytes(),
        );
        out.extend(
            self.key_count
                .unwrap_or(self.keys.len() as u64)
                .to_le_bytes(),
        );
        let keys = self.keys.iter().map(|key| key.write(&mut out)).collect();
        let offsets = self.offsets();
        let entries = self.tensors.iter().zip(&offsets);
        let tensors = entries
            .map(|(tensor, offset)| tensor.write(*offset, &mut out))
            .collect();
        let data = out.len().next_multiple_of(self.alignment);
        for (tensor, offset) in self.tensors.iter().zip(&offsets) {
            out.resize(data + offset, 0);
            out.extend(&tensor.data);
        }
        out.extend(&self.tail);
        Layout {
            bytes: out,
            keys,
            tensors,
            data,
        }
    }

    /// Where the data of each tensor lies, whatever its entry says.
    fn offsets(&self) -> Vec<usize> {
        let mut end = 0_usize;
        let mut place = |tensor: &Tensor| {
            let start = end.next_multiple_of(self.alignment);
            end = start + tensor.data.len();
            start
        };
        self.tensors.iter().map(&mut place).collect()
    }

    /// Where the data of a tensor lies, from the first one's.
    pub(crate) fn offset(&self, name: &str) -> usize {
        self.offsets()[self.index(name)]
    }

    pub(crate) fn index(&self, name: &str) -> usize {
        let found = self
            .tensors
            .iter()
            .position(|tensor| tensor.name == name.as_bytes());
        found.unwrap_or_else(|| panic!("no tensor {name}"))
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut Tensor {
        let index = self.index(name);
        &mut self.tensors[index]
    }

    pub(crate) fn without_tensor(mut self, name: &str) -> Self {
        self.tensors.remove(self.index(name));
        self
    }

    pub(crate) fn key_index(&self, name: &str) -> usize {
        let found = self.keys.iter().position(|key| key.name == name.as_bytes());
        found.unwrap_or_else(|| panic!("no key {name}"))
    }

    /// The key with another value, or a new key.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        match self.keys.iter_mut().find(|key| key.name == name.as_bytes()) {
            Some(key) => key.value = value,
            None => self.keys.push(Key {
                name: name.into(),
                value,
            }),
        }
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.keys.remove(self.key_index(name));
        self
    }
}

impl Key {
    fn write(&self, out: &mut Vec<u8>) -> [usize; 4] {
        let start = out.len();
        out.extend(string(&self.name));
        let kind = out.len();
        out.extend(self.value.0.to_le_bytes());
        out.extend(&self.value.1);
        [start, start + 8, kind, kind + 4]
    }
}

impl Tensor {
    fn write(&self, offset: usize, out: &mut Vec<u8>) -> [usize; 3] {
        let start = out.len();
        out.extend(string(&self.name));
        let rank = out.len();
        out.extend(self.rank.unwrap_or(self.dims.len() as u32).to_le_bytes());
        out.extend(self.dims.iter().flat_map(|dim| dim.to_le_bytes()));
        out.extend(self.kind.to_le_bytes());
        out.extend(self.offset.unwrap_or(offset as u64).to_le_bytes());
        [start, start + 8, rank]
    }
}

/// A length and that many bytes.
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

pub(crate) fn u32(number: u32) -> Value {
    Value(4, number.to_le_bytes().into())
}

pub(crate) fn f32(number: f32) -> Value {
    Value(6, number.to_le_bytes().into())
}

pub(crate) fn truth(byte: u8) -> Value {
    Value(7, vec![byte])
}

pub(crate) fn text(text: &str) -> Value {
    Value(8, string(text.as_bytes()))
}

pub(crate) fn array(kind: u32, count: u64, elements: &[u8]) -> Value {
    Value(
        9,
        [&kind.to_le_bytes(), &count.to_le_bytes()[..], elements].concat(),
    )
}

pub(crate) fn texts<T: AsRef<[u8]>>(all: &[T]) -> Value {
    let elements: Vec<u8> = all.iter().flat_map(|text| string(text.as_ref())).collect();
    array(8, all.len() as u64, &elements)
}

pub(crate) fn i32s(all: &[i32]) -> Value {
    let elements: Vec<u8> = all.iter().flat_map(|number| number.to_le_bytes()).collect();
    array(5, all.len() as u64, &elements)
}

pub(crate) fn f32s(all: &[f32]) -> Value {
    let elements: Vec<u8> = all.iter().flat_map(|number| number.to_le_bytes()).collect();
    array(6, all.len() as u64, &elements)
}
