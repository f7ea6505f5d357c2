//! What the agent and the mind's process say to each other. The mind computes on bytes that strangers made, so the agent reads what it says
//! as it would read a file from a stranger: bounded, and refused as a whole at the first oddity. All that it can say is which of the offered
//! alternatives it picks, a short text, how far it is, and a state to keep.

use std::io::{self, Read, Write};

use cloister_models::{DeviceChoice, ModelDigest, ModelName, Pin, Progress, Tally};
use cloister_process::Layers;
use cloister_process::frame::{self, Decoder, Encoder, Malformed};
use cloister_states::STATE_BYTES;
use cloister_tools::Question;

/// Bytes of a frame to the mind. 16 MiB: the headings of the widest workbooks many times over.
const ASKED_BYTES: usize = 16 << 20;
/// Bytes of a frame from the mind: the longest text, and the numbers around it.
const TOLD_BYTES: usize = SAID_BYTES + 1024;
/// Bytes of a text that the mind says. 64 KiB: 220 tokens of the longest that vocabularies have, some 256 bytes each.
const SAID_BYTES: usize = 64 << 10;
/// Bytes of why something failed. 2 KiB: a sentence with a name in it.
const FAULT_BYTES: usize = 2 << 10;
/// Hexadecimal digits of a state's name: those of a SHA-256.
const NAME_DIGITS: usize = 64;

/// Which model the bytes are, and what to make of them.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) pin: Pin,
    pub(super) device: DeviceChoice,
    /// Memory that the system says is available, bytes; the mind cannot look.
    pub(super) available: Option<u64>,
}

/// A worked example as it is sent: what is asked, what is answered.
pub(super) type Turn = (String, String);

/// What the agent says.
#[derive(Debug)]
pub(super) enum Ask {
    /// Make a model of the bytes that come in on the other descriptor.
    Load(Order),
    /// Read what is fixed, before anything of the person or their files.
    Open { system: String, examples: Vec<Turn> },
    /// What is asked for. Once, after that.
    Request(String),
    /// Go on with the same call, told this.
    Go(String),
    /// Pick one.
    Choose { slot: String, shown: Vec<String> },
    /// Take note of what was settled without a choice. It is not answered.
    Settled { slot: String, shown: String },
    /// Answer in words.
    Answer { system: String, request: String },
    /// To what it asked of the store: yes, or it is done.
    Yes,
    /// No, there is none, or it could not be done.
    No,
    /// A state, whose bytes follow the frame.
    State { len: u64 },
    /// Answer about a text; from then on nothing else is asked.
    About(Question),
}

/// A state by its name and length, both as they may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StateName {
    pub(super) digits: String,
    pub(super) len: u64,
}

/// What the mind says.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    /// It has given everything up, and these layers hold. Said once, first.
    Sealed(Layers),
    /// The model is ready.
    Loaded,
    /// How far it is.
    Progress(Progress),
    /// Whether this state is kept; answered by yes or no.
    Has(StateName),
    /// It wants this state; answered by a state or no.
    Get(StateName),
    /// The state of this name is of no use, whatever its length; not answered.
    Forget(StateName),
    /// A state to keep, whose bytes follow the frame; answered by yes or no.
    Put(StateName),
    /// What was asked is done.
    Done(Tally),
    /// It picks the alternative of this number.
    Chosen(u32, Tally),
    /// It says this.
    Said(String, Tally),
    /// It could not be done.
    Failed {
        message: String,
        hint: Option<String>,
    },
}

impl Ask {
    pub(super) fn send(&self, to: &mut impl Write) -> io::Result<()> {
        frame::send(to, &self.encode(), ASKED_BYTES)
    }

    pub(super) fn receive(from: &mut impl Read) -> io::Result<Ask> {
        Ask::decode(&frame::receive(from, ASKED_BYTES)?).map_err(malformed)
    }

    fn encode(&self) -> Vec<u8> {
        let mut to = Encoder::default();
        match self {
            Ask::Load(order) => {
                to.u8(0);
                put_order(&mut to, order);
            }
            Ask::Open { system, examples } => {
                to.u8(1);
                to.text(system);
                to.count(examples.len());
                for (request, reply) in examples {
                    to.text(request);
                    to.text(reply);
                }
            }
            Ask::Go(turn) => {
                to.u8(2);
                to.text(turn);
            }
            Ask::Choose { slot, shown } => {
                to.u8(3);
                to.text(slot);
                to.count(shown.len());
                shown.iter().for_each(|text| to.text(text));
            }
            Ask::Settled { slot, shown } => {
                to.u8(4);
                to.text(slot);
                to.text(shown);
            }
            Ask::Answer { system, request } => {
                to.u8(5);
                to.text(system);
                to.text(request);
            }
            Ask::Request(user) => {
                to.u8(6);
                to.text(user);
            }
            Ask::Yes => to.u8(7),
            Ask::No => to.u8(8),
            Ask::State { len } => {
                to.u8(9);
                to.u64(*len);
            }
            Ask::About(question) => {
                to.u8(10);
                to.raw(&question.encode());
            }
        }
        to.into_bytes()
    }

    fn decode(payload: &[u8]) -> Result<Ask, Malformed> {
        let mut from = Decoder::new(payload);
        let ask = match from.u8()? {
            0 => Ask::Load(take_order(&mut from)?),
            1 => {
                let system = from.text()?;
                let turns = (0..from.count()?).map(|_| Ok((from.text()?, from.text()?)));
                let examples = turns.collect::<Result<_, _>>()?;
                Ask::Open { system, examples }
            }
            2 => Ask::Go(from.text()?),
            3 => {
                let slot = from.text()?;
                let shown = (0..from.count()?).map(|_| from.text());
                let shown = shown.collect::<Result<_, _>>()?;
                Ask::Choose { slot, shown }
            }
            4 => Ask::Settled {
                slot: from.text()?,
                shown: from.text()?,
            },
            5 => Ask::Answer {
                system: from.text()?,
                request: from.text()?,
            },
            6 => Ask::Request(from.text()?),
            7 => Ask::Yes,
            8 => Ask::No,
            9 => Ask::State { len: from.u64()? },
            10 => Ask::About(Question::decode(from.raw()?, ASKED_BYTES)?),
            _ => return Err(Malformed),
        };
        from.end().map(|()| ask)
    }
}

impl Told {
    pub(super) fn send(&self, to: &mut impl Write) -> io::Result<()> {
        frame::send(to, &self.encode(), TOLD_BYTES)
    }

    pub(super) fn receive(from: &mut impl Read) -> io::Result<Told> {
        Told::decode(&frame::receive(from, TOLD_BYTES)?).map_err(malformed)
    }

    /// Why something failed, in no more words than may be said.
    pub(super) fn failed(message: &str, hint: Option<&str>) -> Told {
        let short = |text: &str| {
            let end = (0..=text.len().min(FAULT_BYTES))
                .rev()
                .find(|at| text.is_char_boundary(*at));
            text.get(..end.unwrap_or_default())
                .unwrap_or_default()
                .to_owned()
        };
        Told::Failed {
            message: short(message),
            hint: hint.map(short),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut to = Encoder::default();
        match self {
            Told::Sealed(layers) => {
                to.u8(0);
                to.u16(layers.bits());
            }
            Told::Loaded => to.u8(1),
            Told::Progress(progress) => {
                to.u8(2);
                put_progress(&mut to, *progress);
            }
            Told::Has(name) => put_name(&mut to, 3, name),
            Told::Get(name) => put_name(&mut to, 4, name),
            Told::Forget(name) => put_name(&mut to, 5, name),
            Told::Put(name) => put_name(&mut to, 6, name),
            Told::Done(tally) => {
                to.u8(7);
                put_tally(&mut to, tally);
            }
            Told::Chosen(index, tally) => {
                to.u8(8);
                to.u32(*index);
                put_tally(&mut to, tally);
            }
            Told::Said(text, tally) => {
                to.u8(9);
                to.text(text);
                put_tally(&mut to, tally);
            }
            Told::Failed { message, hint } => {
                to.u8(10);
                to.text(message);
                to.u8(hint.is_some().into());
                to.text(hint.as_deref().unwrap_or_default());
            }
        }
        to.into_bytes()
    }

    fn decode(payload: &[u8]) -> Result<Told, Malformed> {
        let mut from = Decoder::new(payload);
        let told = match from.u8()? {
            0 => Told::Sealed(Layers::from_bits(from.u16()?).ok_or(Malformed)?),
            1 => Told::Loaded,
            2 => Told::Progress(take_progress(&mut from)?),
            3 => Told::Has(take_name(&mut from)?),
            4 => Told::Get(take_name(&mut from)?),
            5 => Told::Forget(take_name(&mut from)?),
            6 => Told::Put(take_name(&mut from)?),
            7 => Told::Done(take_tally(&mut from)?),
            8 => Told::Chosen(from.u32()?, take_tally(&mut from)?),
            9 => Told::Said(take_text(&mut from, SAID_BYTES)?, take_tally(&mut from)?),
            10 => {
                let message = take_text(&mut from, FAULT_BYTES)?;
                let there = from.bool()?;
                let hint = take_text(&mut from, FAULT_BYTES)?;
                if !there && !hint.is_empty() {
                    return Err(Malformed);
                }
                Told::Failed {
                    message,
                    hint: there.then_some(hint),
                }
            }
            _ => return Err(Malformed),
        };
        from.end().map(|()| told)
    }
}

fn malformed(_: Malformed) -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn take_text(from: &mut Decoder<'_>, most: usize) -> Result<String, Malformed> {
    let text = from.text()?;
    if text.len() > most {
        return Err(Malformed);
    }
    Ok(text)
}

fn put_order(to: &mut Encoder, order: &Order) {
    let Order {
        pin,
        device,
        available,
    } = order;
    to.text(pin.name().as_str());
    to.text(&pin.sha256().to_string());
    to.u64(pin.bytes());
    let (device, threads) = match device {
        DeviceChoice::Cpu => (0, 0),
        DeviceChoice::Threads(threads) => (1, *threads),
        DeviceChoice::Candle => (2, 0),
        DeviceChoice::Cuda => (3, 0),
        DeviceChoice::Metal => (4, 0),
    };
    to.u8(device);
    to.u64(threads as u64);
    to.u8(available.is_some().into());
    to.u64(available.unwrap_or_default());
}

fn take_order(from: &mut Decoder<'_>) -> Result<Order, Malformed> {
    let name = ModelName::parse(&from.text()?).map_err(|_| Malformed)?;
    let sha256 = ModelDigest::parse(&from.text()?).map_err(|_| Malformed)?;
    let pin = Pin::new(name, sha256, from.u64()?, None).map_err(|_| Malformed)?;
    let device = match (from.u8()?, from.size()?) {
        (0, _) => DeviceChoice::Cpu,
        (1, threads) => DeviceChoice::Threads(threads),
        (2, _) => DeviceChoice::Candle,
        (3, _) => DeviceChoice::Cuda,
        (4, _) => DeviceChoice::Metal,
        _ => return Err(Malformed),
    };
    let (known, available) = (from.bool()?, from.u64()?);
    Ok(Order {
        pin,
        device,
        available: known.then_some(available),
    })
}

fn put_name(to: &mut Encoder, kind: u8, name: &StateName) {
    to.u8(kind);
    to.text(&name.digits);
    to.u64(name.len);
}

/// It becomes the name of a file, and so much memory is taken for it.
fn take_name(from: &mut Decoder<'_>) -> Result<StateName, Malformed> {
    let (digits, len) = (from.text()?, from.u64()?);
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let fits = digits.len() == NAME_DIGITS && digits.bytes().all(hexadecimal);
    match fits && len <= STATE_BYTES {
        true => Ok(StateName { digits, len }),
        false => Err(Malformed),
    }
}

fn put_progress(to: &mut Encoder, progress: Progress) {
    let (kind, done, total) = match progress {
        Progress::Load { done, total } => (0, done, total),
        Progress::Prefill { done, total } => (1, done as u64, total as u64),
        Progress::Decode { tokens } => (2, tokens as u64, 0),
    };
    to.u8(kind);
    to.u64(done);
    to.u64(total);
}

fn take_progress(from: &mut Decoder<'_>) -> Result<Progress, Malformed> {
    let (kind, done, total) = (from.u8()?, from.size()?, from.size()?);
    Ok(match kind {
        0 => Progress::Load {
            done: done as u64,
            total: total as u64,
        },
        1 => Progress::Prefill { done, total },
        2 if total == 0 => Progress::Decode { tokens: done },
        _ => return Err(Malformed),
    })
}

fn put_tally(to: &mut Encoder, tally: &Tally) {
    let Tally {
        prompt,
        reused,
        forced,
        sampled,
        restored,
        drafted,
        accepted,
        passes,
        head_rows,
    } = *tally;
    let all = [
        prompt, reused, forced, sampled, restored, drafted, accepted, passes, head_rows,
    ];
    all.into_iter().for_each(|n| to.u64(n as u64));
}

fn take_tally(from: &mut Decoder<'_>) -> Result<Tally, Malformed> {
    Ok(Tally {
        prompt: from.size()?,
        reused: from.size()?,
        forced: from.size()?,
        sampled: from.size()?,
        restored: from.size()?,
        drafted: from.size()?,
        accepted: from.size()?,
        passes: from.size()?,
        head_rows: from.size()?,
    })
}

#[cfg(test)]
mod tests;
