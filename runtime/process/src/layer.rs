//! The layers around a process of ours, as a value: what it really put on, as it says itself.

use std::fmt;

/// One layer. Those that a system may refuse are missing in [`Layers`] then; without the others the process does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Its own users, mounts, network, IPC, host name and processes, where it is number 1 of its own and sees nobody.
    Namespaces,
    /// Its root is an empty folder that cannot be written to, and it has no capability in it.
    EmptyRoot,
    /// No file, port, socket or signal outside, by Landlock of the newest version that kernel and program both know.
    Landlock,
    /// The system calls on a list, and no other.
    Seccomp,
    /// No program that it could start would have more rights.
    NoNewPrivileges,
    /// Its memory goes into no core dump, and other processes of the same user may not look into it. In namespaces these may all the same: who
    /// made a user namespace has every capability in it.
    Undumpable,
    /// The system's own limits: no new descriptor or file; in the cage no more memory, processor time or process either.
    Rlimits,
    /// No descriptor but the one it speaks through, the one that its bytes come from, and nowhere.
    Descriptors,
    /// It dies with its parent.
    DiesWithParent,
}

/// A set of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layers(u16);

impl Layer {
    /// All of them.
    pub const ALL: [Layer; 9] = [
        Layer::Namespaces,
        Layer::EmptyRoot,
        Layer::Landlock,
        Layer::Seccomp,
        Layer::NoNewPrivileges,
        Layer::Undumpable,
        Layer::Rlimits,
        Layer::Descriptors,
        Layer::DiesWithParent,
    ];

    /// A stable name for records.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Namespaces => "namespaces",
            Layer::EmptyRoot => "empty root",
            Layer::Landlock => "landlock",
            Layer::Seccomp => "seccomp",
            Layer::NoNewPrivileges => "no_new_privs",
            Layer::Undumpable => "undumpable memory",
            Layer::Rlimits => "rlimits",
            Layer::Descriptors => "closed descriptors",
            Layer::DiesWithParent => "death with parent",
        }
    }

    fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Layers {
    /// With one more.
    pub fn with(self, layer: Layer) -> Layers {
        Layers(self.0 | layer.bit())
    }

    /// Without one.
    pub fn without(self, layer: Layer) -> Layers {
        Layers(self.0 & !layer.bit())
    }

    /// Whether a layer is among them.
    pub fn has(self, layer: Layer) -> bool {
        self.0 & layer.bit() != 0
    }

    /// Whether all of `others` are among them.
    pub fn cover(self, others: Layers) -> bool {
        self.0 & others.0 == others.0
    }

    /// The layers that are not among them.
    pub fn missing(self) -> impl Iterator<Item = Layer> {
        Layer::ALL
            .into_iter()
            .filter(move |layer| !self.has(*layer))
    }

    /// As a number, for a frame.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Nothing for bits that stand for no layer.
    #[must_use]
    pub fn from_bits(bits: u16) -> Option<Layers> {
        let all = Layer::ALL.iter().fold(0, |all, layer| all | layer.bit());
        (bits & !all == 0).then_some(Layers(bits))
    }
}

impl FromIterator<Layer> for Layers {
    fn from_iter<I: IntoIterator<Item = Layer>>(layers: I) -> Layers {
        layers.into_iter().fold(Layers::default(), Layers::with)
    }
}
