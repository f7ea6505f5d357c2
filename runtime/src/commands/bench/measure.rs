//! One test, timed as llama-bench times it: random tokens, a warm-up, then repetitions from the same depth. No sampler, no tokenizer; the head
//! runs for the last token of a prompt and for each decoded one. Reads the clock.

use std::fmt;
use std::time::{Duration, Instant};

use cloister_models::{Engine, Session};

use super::Stoppable;
use super::counts::Counts;
use super::sweep::Sweep;
use crate::failure::Failure;
use crate::screen::Screen;

/// What is timed: a prompt or a generation, in tokens, after so many in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Prompt { tokens: usize, depth: usize },
    Generation { tokens: usize, depth: usize },
}

impl Test {
    /// In llama-bench's order.
    pub(super) fn of(prompts: &[Counts], generations: &[Counts], depths: &[Counts]) -> Vec<Test> {
        let (prompts, generations) = (Counts::wanted(prompts), Counts::wanted(generations));
        let at = |depth: usize| {
            let prompts = prompts
                .iter()
                .map(move |n| Test::Prompt { tokens: *n, depth });
            let generations = generations
                .iter()
                .map(move |n| Test::Generation { tokens: *n, depth });
            prompts.chain(generations)
        };
        Counts::all(depths).into_iter().flat_map(at).collect()
    }

    pub(super) fn tokens(self) -> usize {
        match self {
            Test::Prompt { tokens, .. } | Test::Generation { tokens, .. } => tokens,
        }
    }

    pub(super) fn depth(self) -> usize {
        match self {
            Test::Prompt { depth, .. } | Test::Generation { depth, .. } => depth,
        }
    }
}

/// As llama-bench names it: `pp512`, `tg128 @ d4096`.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Test::Prompt { tokens, .. } => write!(f, "pp{tokens}")?,
            Test::Generation { tokens, .. } => write!(f, "tg{tokens}")?,
        }
        match self.depth() {
            0 => Ok(()),
            depth => write!(f, " @ d{depth}"),
        }
    }
}

/// What was measured.
pub(super) struct Samples {
    /// Each repetition.
    pub(super) times: Vec<Duration>,
    /// A sweep before each repetition, bytes a second; none unless asked for.
    pub(super) bandwidths: Vec<f64>,
}

/// Warm up, fill the cache to the depth, and time the repetitions.
pub(super) fn run(
    engine: &Engine,
    test: Test,
    repetitions: u32,
    mut sweep: Option<&mut Sweep>,
    screen: &Screen,
) -> Result<Samples, Failure> {
    let mut bench = Bench {
        session: engine.session()?,
        tokens: Tokens::of(engine),
        watch: Stoppable(screen.interrupt()),
    };
    bench.warm_up(test)?;
    let depth = bench.tokens.take(test.depth());
    bench.session.extend(&depth, &mut bench.watch)?;
    let (mut times, mut bandwidths) = (Vec::new(), Vec::new());
    for _ in 0..repetitions {
        bench.session.rewind(test.depth());
        if let Some(sweep) = &mut sweep {
            let pass = sweep.pass();
            bandwidths.push(sweep.bandwidth(pass));
        }
        times.push(bench.once(test)?);
    }
    Ok(Samples { times, bandwidths })
}

struct Bench<'e> {
    session: Session<'e>,
    tokens: Tokens,
    watch: Stoppable<'e>,
}

impl Bench<'_> {
    /// The prompt once, or one token, as llama-bench does.
    fn warm_up(&mut self, test: Test) -> Result<(), Failure> {
        let warm = match test {
            Test::Prompt { tokens, .. } => Test::Prompt { tokens, depth: 0 },
            Test::Generation { .. } => Test::Generation {
                tokens: 1,
                depth: 0,
            },
        };
        self.once(warm)?;
        self.session.rewind(0);
        Ok(())
    }

    fn once(&mut self, test: Test) -> Result<Duration, Failure> {
        let tokens = self.tokens.take(test.tokens());
        let started = Instant::now();
        match test {
            Test::Prompt { .. } => {
                self.session.extend(&tokens, &mut self.watch)?;
                self.session.logits()?;
            }
            Test::Generation { .. } => {
                for token in &tokens {
                    self.session
                        .extend(std::slice::from_ref(token), &mut self.watch)?;
                    self.session.logits()?;
                    self.watch.0.check()?;
                }
            }
        }
        Ok(started.elapsed())
    }
}

/// Random tokens of a vocabulary, the same in each run.
struct Tokens {
    bos: Option<u32>,
    size: u64,
    state: u64,
}

impl Tokens {
    fn of(engine: &Engine) -> Tokens {
        let tokenizer = engine.tokenizer();
        Tokens {
            bos: tokenizer.bos(),
            size: (tokenizer.size() as u64).max(1),
            state: 0,
        }
    }

    /// The token that a prompt begins with, where the model has one, then any.
    fn take(&mut self, count: usize) -> Vec<u32> {
        let begin = self.bos.into_iter();
        let random = std::iter::from_fn(|| Some(self.next()));
        begin.chain(random).take(count).collect()
    }

    /// SplitMix64.
    fn next(&mut self) -> u32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) % self.size).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> Vec<Counts> {
        vec![text.parse().unwrap()]
    }

    #[test]
    fn tests_are_in_the_order_of_llama_bench() {
        let tests = Test::of(&counts("512,0"), &counts("16"), &counts("0,8"));
        let shown: Vec<String> = tests.iter().map(Test::to_string).collect();
        assert_eq!(shown, ["pp512", "tg16", "pp512 @ d8", "tg16 @ d8"]);
    }

    #[test]
    fn random_tokens_begin_as_a_prompt_and_stay_within_the_vocabulary() {
        let mut tokens = Tokens {
            bos: Some(1),
            size: 10,
            state: 0,
        };
        let taken = tokens.take(1000);
        assert_eq!(taken.first(), Some(&1));
        assert!(taken.iter().all(|t| *t < 10));
        assert!((0..10).all(|t| taken.contains(&t)));
        tokens.bos = None;
        assert_eq!(tokens.take(3).len(), 3);
        assert_eq!(tokens.take(0), Vec::<u32>::new());
    }
}
