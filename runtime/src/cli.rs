//! The command line as typed. Names and exit codes are the contract of cli.md; nothing is decided here.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use cloister_attest::{Challenge, Witness};

use crate::commands::bench::Counts;

/// An office agent that stays on this machine: plans with a local model, runs tools in a cage, asks before it changes anything, writes everything down.
#[derive(Debug, Parser)]
#[command(
    name = "cloister",
    version,
    disable_help_subcommand = true,
    max_term_width = 110
)]
pub(crate) struct Cli {
    /// Where keys, policy, models, tools and the ledger are [default: $XDG_DATA_HOME/cloister]
    #[arg(long, global = true, env = "CLOISTER_HOME", value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Settings file (TOML) [default: $XDG_CONFIG_HOME/cloister/config.toml where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One JSON document on standard output; everything else on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Nothing on standard error but errors
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// Say more: each decision with its reason, what each call used
    #[arg(short, global = true)]
    pub(crate) v: bool,
    /// The TPM to use: `device:/dev/tpmrm0`, `swtpm:host=127.0.0.1,port=P`, or `none` [default: the device, where there is one]
    #[arg(long, global = true, env = "CLOISTER_TCTI", value_name = "TCTI")]
    pub(crate) tcti: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a home: keys, trust roots, the policy bundle, the shipped tools pinned
    Init(Init),
    /// Plan, judge, run in the cage, show the effects, ask, release
    Run(Run),
    /// Show the plan and each decision with its reason; run nothing
    Plan(Ask),
    /// What waits for a person
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// What is granted and remembered, and taking it back
    #[command(subcommand)]
    Consent(Consent),
    /// Put back what a session's release replaced, after the question, if it still stands as released
    Undo {
        /// As `run --json` and `audit show` name it
        session: String,
    },
    /// The local models and their pins
    #[command(subcommand)]
    Models(Models),
    /// The tools and their pins
    #[command(subcommand)]
    Tools(Tools),
    /// Policies are programs: check, test and explain them
    #[command(subcommand)]
    Policy(Policy),
    /// The ledger
    #[command(subcommand)]
    Audit(Audit),
    /// The TPM and what it vouches for
    #[command(subcommand)]
    Attest(Attest),
    /// Tokens per second, in the columns and fields of llama-bench; or perplexity
    Bench(Bench),
    /// What protects this machine now, what does not, and what would
    Doctor,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// A policy bundle to use instead of the shipped one
    #[arg(long, value_name = "DIR")]
    pub(crate) policy: Option<PathBuf>,
    /// Agents (globs over the manifest's name) that may run unattended
    #[arg(long, value_name = "GLOB", conflicts_with = "policy")]
    pub(crate) unattended_agents: Vec<String>,
    /// Tool packages to pin [default: `tools` beside this binary]
    #[arg(long, value_name = "DIR")]
    pub(crate) tools: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ask {
    /// What the agent may touch
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: PathBuf,
    /// A pinned model [default: the home's default]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Where the model computes
    #[arg(long, value_enum, default_value_t = Device::Cpu)]
    pub(crate) device: Device,
    /// What you want done
    pub(crate) prompt: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) ask: Ask,
    /// Ask nobody: refused unless the policy lets this manifest run so
    #[arg(long)]
    pub(crate) unattended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Device {
    Cpu,
    Cuda,
    Metal,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// List what waits
    List,
    /// Show what an entry would change
    Diff { id: String },
    /// Let an entry go, after the question
    Release { id: String },
    /// Throw an entry away
    Discard { id: String },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Consent {
    /// List the session that runs and what it was granted, and the answers that are remembered
    List,
    /// Take a running session's grants back, or one capability of them, or one path of that (what needs it is stopped, and what it made not released), or
    /// forget an answer
    Revoke {
        /// As `consent list` names it
        id: String,
        /// One capability of the session, as `consent list` names it; all of them without it
        capability: Option<String>,
        /// One path of the capability: a file, a folder with all below it, or a pattern as `consent list` names it; all of them without it
        path: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// List models, their hashes and the default
    List,
    /// Copy a model in and pin its SHA-256
    Import {
        file: PathBuf,
        #[arg(long)]
        name: String,
    },
    /// Pin again a model whose file is in place
    Pin { name: String },
    /// Make a model the default
    Default { name: String },
    /// Check every byte against the pin
    Verify { name: Option<String> },
    /// Remove a model and its pin
    Remove { name: String },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tools {
    /// List tools and their functions
    List,
    /// Make a folder with a tool that works, to be changed into another
    New { name: String },
    /// Say what a component can reach, from its own bytes and WIT
    Inspect { file: PathBuf },
    /// Check a tool package and pin it
    Add { dir: PathBuf },
    /// Check every package against its pin
    Verify,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Compile one Rego file or bundle folder
    Check { path: PathBuf },
    /// Run a bundle's cases
    Test { dir: PathBuf },
    /// What a bundle would decide otherwise than the one in force
    Compare { dir: PathBuf },
    /// The same, and after a yes sign it and put it in force; needs the admin's key
    Install { dir: PathBuf },
    /// The JSON Schema of a manifest
    Schema,
    /// The decision on a call, and why
    Explain {
        #[arg(long, value_name = "FILE")]
        manifest: PathBuf,
        call: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check the ledger against this home's roots
    Verify,
    /// The ledger as a story
    Show,
    /// Every entry as one line for another system, on standard output: redacted, with what proves it
    ///
    /// The ledger is verified first, and the exit code is the verifier's: 0 sound, 1 tampered (then nothing is exported), 2 not anchored or
    /// not attested, 3 no trust roots. The same ledger gives the same bytes.
    Export {
        #[arg(long, value_enum)]
        format: crate::export::Format,
        /// Of a ledger that was tampered with, export what stands before the first bad entry; the exit code stays 1
        #[arg(long)]
        tampered: bool,
    },
    /// What proves one entry, or that the ledger goes on from a checkpoint of earlier, on standard output: `cloister-verify` checks it without the ledger
    ///
    /// The entry is shown as it is, with the first of its session; nothing is redacted. The ledger is verified first; exit codes as those of `export`.
    Proof {
        /// Number of the entry, as `audit show` has it, or the file of a checkpoint that was kept
        #[arg(value_name = "SEQ|CHECKPOINT", required_unless_present = "witness")]
        of: Option<Claim>,
        /// What this witness is asked to cosign: that the ledger goes on from the last note of its that is here, or, if there is none, the first entry
        #[arg(long = "for", value_name = "NAME", conflicts_with = "of")]
        witness: Option<String>,
    },
    /// Take in a checkpoint that came back from a witness: the ledger must still have all that it counts
    Cosigned {
        /// What `cloister-verify witness cosign` gave
        file: PathBuf,
        /// The witness's key [default: those of the roots]
        #[arg(long, value_name = "NAME+KEY")]
        witness: Option<Witness>,
    },
    /// The signed checkpoint of the ledger, on standard output: 300 bytes that another machine keeps, and that `audit compare` and `audit proof` take later
    ///
    /// The ledger is verified first; exit codes as those of `export`.
    Checkpoint {
        /// As a QR code for a camera, where no stick may cross
        #[arg(long)]
        qr: bool,
    },
    /// What the checkpoint counts as a folder of tiles, which clients of transparency logs and `cloister-verify` read
    ///
    /// The layout is C2SP tlog-tiles. The entries are there as they are; nothing is redacted. A folder that holds tiles of this ledger grows; one that holds
    /// others is left as it is, with exit code 4. The ledger is verified first; exit codes as those of `export`.
    Tiles {
        /// A new folder, or one that this command made
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// One session as a page for people, on standard output: HTML without scripts, which prints
    ///
    /// The ledger is verified first; exit codes as those of `export`.
    Report {
        /// As `audit show` names it
        #[arg(long, value_name = "SESSION")]
        session: String,
    },
    /// Do again what a session did up to what it would have changed, and say where it differs
    ///
    /// It stands in the ledger as a session of its own; nothing is released. Binary, model, policy, tools and manifest must be those of the session. Exit
    /// codes: 0 the same plan, decisions, calls, results and bytes; 4 what the session stood on is another, or the first entry that differs.
    Replay {
        /// As `audit show` names it
        session: String,
        /// The manifest that it had, in the folder that it had or in a copy of that
        #[arg(long, value_name = "FILE")]
        manifest: PathBuf,
    },
    /// What an entry commits to and does not say, arguments or an output, opened and held against the commitment
    ///
    /// With `--json` also the salt: with it, whoever has the entry can see for themselves that this is the content. The ledger is verified first; exit codes
    /// as those of `export`, and 4 where what is kept is missing or is not what the entry commits to.
    Content {
        /// Number of the entry, as `audit show` has it
        #[arg(value_name = "SEQ")]
        seq: u64,
    },
    /// Destroy what a session's entries commit to, for good: the ledger holds as before, and says who did it and when
    Shred {
        /// As `audit show` names it
        session: String,
        /// Ask nobody
        #[arg(long)]
        yes: bool,
    },
    /// Whether a ledger goes on from an earlier copy or checkpoint of it, or the first entry where they part
    ///
    /// Each is a ledger's folder, its `entries.jsonl`, or a checkpoint. Exit codes: 0 LATER has all that EARLIER has; 4 they part, LATER is shorter,
    /// or one of them does not hold. Chains and signatures are checked; who vouches for the sessions is for `audit verify` to say.
    Compare {
        /// What was kept elsewhere
        earlier: PathBuf,
        /// What is held against it
        later: PathBuf,
    },
}

/// What `audit proof` proves.
#[derive(Debug, Clone)]
pub(crate) enum Claim {
    /// That this entry stands in the ledger.
    Entry(u64),
    /// That the ledger goes on from the checkpoint in this file.
    Since(PathBuf),
}

impl From<&str> for Claim {
    fn from(text: &str) -> Claim {
        text.parse()
            .map_or_else(|_| Claim::Since(PathBuf::from(text)), Claim::Entry)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Attest {
    /// What the TPM is, and whether it is enrolled
    Status,
    /// Pin this machine's attestation key in person, with the admin's key at hand; or, with --request, ask an admin elsewhere to enrol it
    Enroll {
        /// Where the request goes that a stick takes to the admin: `cloister attest challenge` takes it there
        #[arg(long, value_name = "FILE")]
        request: Option<PathBuf>,
    },
    /// Admin: check a device's request, and make what only its TPM can answer. Needs no TPM
    Challenge {
        request: PathBuf,
        /// Certificates (PEM or DER) of makers of TPMs whom you trust
        #[arg(
            long,
            value_name = "FILE",
            required_unless_present = "pinned_in_person"
        )]
        makers: Vec<PathBuf>,
        /// Certificates between these and the TPM's
        #[arg(long, value_name = "FILE")]
        between: Vec<PathBuf>,
        /// You know this endorsement key from the device itself, and no maker has to certify it
        #[arg(long, conflicts_with = "makers")]
        pinned_in_person: bool,
        /// Where the challenge goes that a stick takes to the device
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Where its secret stays, on this machine, until the answer is here
        #[arg(long, value_name = "FILE")]
        keep: PathBuf,
    },
    /// Answer an admin's challenge: only this machine's TPM can
    Activate {
        challenge: PathBuf,
        /// Where the answer goes that a stick takes to the admin
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Admin: sign the enrolment of the device that gave the right answer, and add it to the roots. Needs no TPM
    Accept {
        answer: PathBuf,
        /// What `cloister attest challenge` kept; it is answered once, and then removed
        #[arg(long, value_name = "FILE")]
        keep: PathBuf,
        /// Where the enrolment goes that a stick takes to the device
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Take in an enrolment that the admin signed
    Install { enrolment: PathBuf },
    /// Answer an auditor's challenge: how often the TPM has counted, so that an old or shortened ledger shows
    Evidence {
        /// What the auditor drew by lot, 1 to 64 bytes
        #[arg(long, value_name = "HEX")]
        challenge: Challenge,
        /// Where the answer goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Names and defaults are those of llama-bench and llama-perplexity where they have them.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// A GGUF file, pinned or not; its SHA-256 is told [default: the home's default model]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// Tokens of a prompt: `512`, `128,512`, `64-512*2`, or several times; 0 for no such test
    #[arg(short = 'p', long, value_name = "N", default_value = "512")]
    pub(crate) n_prompt: Vec<Counts>,
    /// Tokens decoded one by one, written as for -p
    #[arg(short = 'n', long, value_name = "N", default_value = "128")]
    pub(crate) n_gen: Vec<Counts>,
    /// Tokens in the cache before a test begins, written as for -p
    #[arg(short = 'd', long, value_name = "N", default_value = "0")]
    pub(crate) n_depth: Vec<Counts>,
    /// What computes: our kernels, or candle's tensors to compare with
    #[arg(long, value_enum, default_value_t = BenchEngine::Kernels)]
    pub(crate) engine: BenchEngine,
    /// Threads of the kernels [default: as many as the processor runs at once]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// How often each test is timed, after a warm-up
    #[arg(short, long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repetitions: u32,
    /// Read as many bytes as a token does between any two repetitions, and tell what part of that bandwidth decoding reached
    #[arg(long)]
    pub(crate) sweep: bool,
    /// How the figures are printed
    #[arg(short, long, value_enum, default_value_t = Format::Md)]
    pub(crate) output: Format,
    /// The perplexity of this text instead, by llama-perplexity's method: windows of -c, of which the second half is scored
    #[arg(long, value_name = "FILE")]
    pub(crate) ppl: Option<PathBuf>,
    /// Tokens of a window
    #[arg(short, long, value_name = "N", default_value = "512", requires = "ppl", value_parser = clap::value_parser!(u32).range(4..))]
    pub(crate) ctx_size: u32,
    /// Windows scored, from the first [default: all]
    #[arg(long, value_name = "N", requires = "ppl")]
    pub(crate) chunks: Option<usize>,
    /// Tokens computed at once in the scored half; 1 decodes them one by one
    #[arg(long, value_name = "N", default_value = "16", requires = "ppl", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) step: u32,
    /// Write the logits of each scored position (see benches/README.md)
    #[arg(long, value_name = "FILE", requires = "ppl")]
    pub(crate) dump_logits: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchEngine {
    Kernels,
    Candle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Md,
    Json,
}
