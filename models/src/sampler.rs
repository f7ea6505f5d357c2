//! From logits to a token: greedy, or a draw under temperature, top-k, min-p and top-p. Pure over the numbers it is given.
//!
//! Free text is drawn, and so is what `write` writes under a mask; whatever decides is chosen greedily under a mask (see `decode`).

/// How free text is drawn. The default is greedy without penalty, so that equal prompts give equal answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Logits are divided by this; 0 or less takes the likeliest token.
    pub temperature: f32,
    /// Only this many of the likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens that together reach this probability; 1 for all.
    pub top_p: f32,
    /// Only tokens at least this fraction as likely as the likeliest; 0 for all.
    pub min_p: f32,
    /// Logits of tokens already written are divided by this (multiplied when negative); 1 for none.
    pub repetition_penalty: f32,
    /// Equal seeds draw equal tokens.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
        }
    }
}

/// A way of drawing and the state of its random numbers.
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    state: u64,
}

impl Sampler {
    /// Begins at the seed.
    #[must_use]
    pub fn new(sampling: Sampling) -> Self {
        Self {
            sampling,
            state: sampling.seed,
        }
    }

    /// A token for these logits, given what was written so far; none when no logit is a finite number.
    #[must_use]
    pub fn draw(&mut self, logits: &[f32], written: &[u32]) -> Option<u32> {
        self.draw_among((0..).zip(logits.iter().copied()), written)
    }

    /// One of these candidates (token, logit), given what was written so far; none when no logit is a finite number.
    /// Every rule of the sampling applies to the candidates alone: to what a grammar allows, if they are that.
    #[must_use]
    pub fn draw_among(
        &mut self,
        candidates: impl IntoIterator<Item = (u32, f32)>,
        written: &[u32],
    ) -> Option<u32> {
        let Sampling {
            temperature,
            repetition_penalty: penalty,
            ..
        } = self.sampling;
        if temperature <= 0.0 && penalty == 1.0 {
            return likeliest(candidates);
        }
        let mut candidates = finite(candidates);
        penalize(&mut candidates, written, penalty);
        if temperature <= 0.0 {
            return likeliest(candidates);
        }
        candidates.sort_unstable_by(|left, right| right.1.total_cmp(&left.1));
        let weights = weights(candidates, &self.sampling);
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut rest = self.next_unit() * total;
        for (token, weight) in &weights {
            rest -= weight;
            if rest < 0.0 {
                return Some(*token);
            }
        }
        weights.last().map(|(token, _)| *token)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): a number in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
    fn next_unit(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The likeliest of the candidates, the first of equals.
fn likeliest(candidates: impl IntoIterator<Item = (u32, f32)>) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    for (token, logit) in candidates {
        if logit.is_finite() && best.is_none_or(|(_, most)| logit > most) {
            best = Some((token, logit));
        }
    }
    best.map(|(token, _)| token)
}

fn finite(candidates: impl IntoIterator<Item = (u32, f32)>) -> Vec<(u32, f32)> {
    candidates
        .into_iter()
        .filter(|(_, logit)| logit.is_finite())
        .collect()
}

fn penalize(candidates: &mut [(u32, f32)], written: &[u32], penalty: f32) {
    if penalty == 1.0 || penalty <= 0.0 {
        return;
    }
    let written: std::collections::HashSet<u32> = written.iter().copied().collect();
    for (_, logit) in candidates
        .iter_mut()
        .filter(|(token, _)| written.contains(token))
    {
        *logit = if *logit > 0.0 {
            *logit / penalty
        } else {
            *logit * penalty
        };
    }
}

/// Unnormalised probabilities of what the limits leave, likeliest first; never empty for a candidate.
fn weights(sorted: Vec<(u32, f32)>, sampling: &Sampling) -> Vec<(u32, f64)> {
    let most = sorted.first().map_or(0.0, |(_, logit)| *logit);
    let keep = if sampling.top_k == 0 {
        usize::MAX
    } else {
        sampling.top_k
    };
    let weight = |logit: f32| (f64::from(logit - most) / f64::from(sampling.temperature)).exp();
    let mut weights: Vec<(u32, f64)> = sorted
        .into_iter()
        .take(keep)
        .map(|(token, logit)| (token, weight(logit)))
        .collect();
    // The likeliest weighs 1, so the threshold needs no division.
    weights.retain(|(_, weight)| *weight >= f64::from(sampling.min_p).min(1.0));
    let enough = weights.iter().map(|(_, weight)| weight).sum::<f64>() * f64::from(sampling.top_p);
    let mut reached = 0.0;
    let needed = weights.iter().take_while(|(_, weight)| {
        let before = reached;
        reached += weight;
        before < enough
    });
    let needed = needed.count().max(1);
    weights.truncate(needed);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 4.0, f32::NAN, 3.0, -2.0];

    fn drawn(sampling: Sampling) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling);
        let mut seen: Vec<u32> = (0..500)
            .filter_map(|_| sampler.draw(&LOGITS, &[]))
            .collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    #[test]
    fn greedy_takes_the_likeliest_and_never_a_nan() {
        assert_eq!(
            Sampler::new(Sampling::default()).draw(&LOGITS, &[]),
            Some(1)
        );
        assert_eq!(
            Sampler::new(Sampling::default()).draw(&[f32::NAN, f32::NEG_INFINITY], &[]),
            None
        );
        assert_eq!(Sampler::new(Sampling::default()).draw(&[], &[]), None);
    }

    #[test]
    fn a_hot_draw_reaches_every_finite_token() {
        assert_eq!(
            drawn(Sampling {
                temperature: 5.0,
                ..Sampling::default()
            }),
            [0, 1, 3, 4]
        );
    }

    #[test]
    fn top_k_top_p_and_min_p_each_narrow_the_draw() {
        let hot = Sampling {
            temperature: 5.0,
            ..Sampling::default()
        };
        assert_eq!(drawn(Sampling { top_k: 2, ..hot }), [1, 3]);
        assert_eq!(drawn(Sampling { top_p: 0.01, ..hot }), [1]);
        assert_eq!(drawn(Sampling { min_p: 0.5, ..hot }), [0, 1, 3]);
    }

    #[test]
    fn a_draw_among_candidates_narrows_them_and_nothing_else() {
        let hot = Sampling {
            temperature: 5.0,
            top_k: 1,
            ..Sampling::default()
        };
        for seed in 0..50 {
            let mut sampler = Sampler::new(Sampling { seed, ..hot });
            assert_eq!(sampler.draw_among([(0, 1.0), (4, -2.0)], &[]), Some(0));
        }
    }

    #[test]
    fn equal_seeds_draw_equal_tokens() {
        let run = |seed| {
            let mut sampler = Sampler::new(Sampling {
                temperature: 2.0,
                seed,
                ..Sampling::default()
            });
            (0..64)
                .filter_map(|_| sampler.draw(&LOGITS, &[]))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn a_penalty_turns_away_from_what_was_written() {
        let sampling = Sampling {
            repetition_penalty: 2.0,
            ..Sampling::default()
        };
        assert_eq!(Sampler::new(sampling).draw(&LOGITS, &[1]), Some(3));
        assert_eq!(
            Sampler::new(Sampling::default()).draw(&LOGITS, &[1]),
            Some(1)
        );
    }
}
