//! Every limit of the cage, in one struct, with its unit and its reason.

use std::time::Duration;

/// Bytes of memory that the cage's process may have beside [`Limits::memory_bytes`]: the compiled component, what is copied to and from
/// the guest, the program's own.
pub const HOST_BYTES: usize = 32 << 20;

/// What one call may use. Fresh for each call; nothing is carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a component before it is compiled. The largest shipped guest has about 4 MB; compiling is the one step that no fuel bounds.
    pub component_bytes: usize,
    /// Bytes of linear memory, all memories of the call together. A workbook of 100k rows needs about 150 MiB in the guest.
    pub memory_bytes: usize,
    /// Elements of one table. Rust guests need about a thousand; a table is host memory, 8 to 16 bytes an element.
    pub table_elements: usize,
    /// Core instances in a component. A Rust guest has one, its adapters three more.
    pub instances: usize,
    /// Memories in a component. One for the guest; a second leaves room for an adapter.
    pub memories: usize,
    /// Tables in a component: one for the guest, a few for adapters.
    pub tables: usize,
    /// Bytes of native stack for the guest. Stops deep recursion long before the process's own 8 MiB end.
    pub stack_bytes: usize,
    /// Units of wasmtime fuel, about one an instruction or a byte copied. Makes the stopping point repeatable; describing a CSV of 100k
    /// rows takes 1.7e10, and 1e12 is more than a fast machine does within the wall limit.
    pub fuel: u64,
    /// Time on the wall for one call, the start of its process included, but not what the model takes to answer: its questions are bounded by
    /// themselves. Then the agent kills it; stops what fuel cannot see: slow reads and a busy machine.
    pub wall: Duration,
    /// Bytes that may be read through handles, repeated reads included. Stops a guest that reads for ever.
    pub read_bytes: u64,
    /// Bytes of one `read`. The contract in `handles.wit` says 1 MiB; keeps a single copy small.
    pub read_chunk: u32,
    /// Bytes that may be written through handles, all outputs together. Protects the quarantine's disk.
    pub write_bytes: u64,
    /// Moves that may be asked for; each holds a handle, so this only bounds memory.
    pub moves: usize,
    /// Live handles a call may hold. The arguments need one each; a guest can make standard streams and resources of its own, each some bytes
    /// of host memory.
    pub handles: usize,
    /// Bytes wasmtime may copy out of the guest for one host call or result. Bounds lists and texts before they exist in the host.
    pub hostcall_bytes: usize,
    /// Bytes of random data for one call of `get-random-bytes`; hash seeds need 16.
    pub random_bytes: u64,
    /// Bytes of standard output and error kept as diagnostics. What comes later is dropped, not an error: a chatty tool is no attack.
    pub diagnostics_bytes: usize,
    /// Levels of nesting of a type. The shipped tools need six; bounds recursion in the host.
    pub nesting: usize,
    /// Bytes of the value that a call returns, texts and list elements counted. Holds 200 rows of wide tables many times over.
    pub result_bytes: usize,
    /// Questions to the model. 128: some twenty documents with half a dozen values each; at some seconds a question it is what a person waits for.
    pub questions: usize,
    /// Bytes of one question, its labels and names counted. 16 KiB: five pages, and with a token for each byte still half of what a model reads at once.
    pub question_bytes: usize,
}

impl Limits {
    /// The limits for tools that a person waits for.
    pub const STANDARD: Limits = Limits {
        component_bytes: 16 << 20,
        memory_bytes: 512 << 20,
        table_elements: 20_000,
        instances: 16,
        memories: 2,
        tables: 8,
        stack_bytes: 512 << 10,
        fuel: 1_000_000_000_000,
        wall: Duration::from_secs(60),
        read_bytes: 1 << 30,
        read_chunk: 1 << 20,
        write_bytes: 256 << 20,
        moves: 64,
        handles: 4096,
        hostcall_bytes: 16 << 20,
        random_bytes: 4096,
        diagnostics_bytes: 64 << 10,
        nesting: 16,
        result_bytes: 4 << 20,
        questions: 128,
        question_bytes: 16 << 10,
    };
}

/// Which limit ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// [`Limits::memory_bytes`], [`Limits::memories`]
    Memory,
    /// [`Limits::table_elements`], [`Limits::tables`]
    Table,
    /// [`Limits::instances`]
    Instances,
    /// [`Limits::stack_bytes`]
    Stack,
    /// [`Limits::fuel`]
    Fuel,
    /// [`Limits::wall`]
    Wall,
    /// [`Limits::read_bytes`]
    Read,
    /// [`Limits::write_bytes`]
    Write,
    /// [`Limits::moves`]
    Moves,
    /// [`Limits::handles`]
    Handles,
    /// [`Limits::hostcall_bytes`]
    Hostcall,
    /// [`Limits::random_bytes`]
    Random,
    /// [`Limits::nesting`]
    Nesting,
    /// [`Limits::result_bytes`]
    Result,
    /// [`Limits::questions`]
    Questions,
    /// [`Limits::question_bytes`], and what else bounds a question
    Question,
}

impl Limit {
    const ALL: [Limit; 16] = [
        Limit::Memory,
        Limit::Table,
        Limit::Instances,
        Limit::Stack,
        Limit::Fuel,
        Limit::Wall,
        Limit::Read,
        Limit::Write,
        Limit::Moves,
        Limit::Handles,
        Limit::Hostcall,
        Limit::Random,
        Limit::Nesting,
        Limit::Result,
        Limit::Questions,
        Limit::Question,
    ];

    /// A stable name for records.
    pub fn code(self) -> &'static str {
        match self {
            Limit::Memory => "memory",
            Limit::Table => "table",
            Limit::Instances => "instances",
            Limit::Stack => "stack",
            Limit::Fuel => "fuel",
            Limit::Wall => "wall",
            Limit::Read => "read",
            Limit::Write => "write",
            Limit::Moves => "moves",
            Limit::Handles => "handles",
            Limit::Hostcall => "hostcall",
            Limit::Random => "random",
            Limit::Nesting => "nesting",
            Limit::Result => "result",
            Limit::Questions => "questions",
            Limit::Question => "question",
        }
    }

    pub(crate) fn of_code(code: &str) -> Option<Limit> {
        Limit::ALL.into_iter().find(|limit| limit.code() == code)
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}
