//! Drafts by prompt lookup: what followed when the last tokens stood in the context before. Only guesses; whoever asked for one checks it
//! against what is drawn. Owns a copy of the context's tokens.

use crate::gains::Drafts;

/// How far a guess goes, and when guessing rests.
struct Limits {
    /// Tokens of one draft. 7: with the token before them eight rows, up to which every thread rounds activations for itself.
    longest: usize,
    /// Tokens of the first draft. 3: a wrong one of so many costs less than half a token.
    first: usize,
    /// Passes without a guess after the first that was wrong from its first token on; twice as many after each further. 4.
    rest: usize,
    /// The longest rest, passes. 64: then a context that begins to repeat itself is noticed within a second.
    longest_rest: usize,
}

const LIMITS: Limits = Limits {
    longest: 7,
    first: 3,
    rest: 4,
    longest_rest: 64,
};

/// How many last tokens must have stood before, the more telling first. A single token says too little.
const GRAMS: [usize; 2] = [3, 2];

/// Guesses what comes next, and learns how good its guesses are.
pub(crate) struct Drafter {
    drafts: Drafts,
    /// All tokens so far; a search through 32 768 takes some ten microseconds, so no index is kept.
    context: Vec<u32>,
    length: usize,
    /// Passes left without a guess.
    resting: usize,
    rest: usize,
}

impl Drafter {
    /// Begins behind `context`.
    pub(crate) fn new(drafts: Drafts, context: &[u32]) -> Self {
        Self {
            drafts,
            context: match drafts {
                Drafts::Lookup => context.to_vec(),
                Drafts::Never => Vec::new(),
            },
            length: LIMITS.first,
            resting: 0,
            rest: LIMITS.rest,
        }
    }

    /// Takes down what was written.
    pub(crate) fn note(&mut self, token: u32) {
        if self.drafts == Drafts::Lookup {
            self.context.push(token);
        }
    }

    /// What may come next, at most `room` tokens.
    pub(crate) fn guess(&mut self, room: usize) -> Vec<u32> {
        if self.resting > 0 {
            self.resting = self.resting.saturating_sub(1);
            return Vec::new();
        }
        let found = GRAMS.iter().find_map(|size| self.after_last(*size));
        let follows = found.and_then(|from| self.context.get(from..));
        // Where the context ends, the guess goes on with itself: that is how a repetition goes on.
        let follows = follows.unwrap_or_default().iter().copied().cycle();
        follows.take(self.length.min(room)).collect()
    }

    /// How much of a guess was right.
    pub(crate) fn learn(&mut self, guessed: usize, right: usize) {
        if guessed == 0 {
            return;
        }
        match right {
            0 => {
                self.resting = self.rest;
                self.rest = self.rest.saturating_mul(2).min(LIMITS.longest_rest);
                self.length = LIMITS.first;
            }
            all if all == guessed => {
                self.rest = LIMITS.rest;
                self.length = self.length.saturating_mul(2).min(LIMITS.longest);
            }
            some => self.length = some,
        }
    }

    /// Where the context goes on after the latest place, before its end, that reads like its last `size` tokens.
    fn after_last(&self, size: usize) -> Option<usize> {
        let start = self.context.len().checked_sub(size)?;
        let last = self.context.get(start..)?;
        let before = self.context.len().saturating_sub(1);
        let windows = self.context.get(..before)?.windows(size);
        let place = windows.rev().position(|window| window == last)?;
        before.checked_sub(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drafter(context: &[u32]) -> Drafter {
        Drafter::new(Drafts::Lookup, context)
    }

    #[test]
    fn a_guess_is_what_followed_the_last_time() {
        assert_eq!(
            drafter(&[1, 2, 3, 7, 2, 3, 8, 9, 6, 2, 3]).guess(9),
            [8, 9, 6]
        );
        let longer = [5, 1, 2, 3, 4, 4, 2, 3, 9, 1, 2, 3];
        assert_eq!(
            drafter(&longer).guess(2),
            [4, 4],
            "three tell more than two"
        );
        let repeated = drafter(&[1, 2, 1, 2, 1]).guess(9);
        assert_eq!(repeated, [2, 1, 2], "a repetition goes on");
        for nothing in [&[][..], &[1], &[1, 2], &[1, 2, 3], &[2, 1, 2, 3, 1]] {
            assert!(drafter(nothing).guess(9).is_empty(), "{nothing:?}");
        }
        assert!(Drafter::new(Drafts::Never, &[1, 1, 1]).guess(9).is_empty());
    }

    #[test]
    fn poor_guesses_make_it_rest_ever_longer_and_a_good_one_wakes_it() {
        let mut drafter = drafter(&[1; 40]);
        let mut rests = Vec::new();
        for _ in 0..6 {
            drafter.learn(3, 0);
            let mut passes = 0;
            while drafter.guess(9).is_empty() {
                passes += 1;
            }
            rests.push(passes);
        }
        assert_eq!(rests, [4, 8, 16, 32, 64, 64]);
        drafter.learn(3, 3);
        assert_eq!(drafter.guess(9).len(), 6);
        drafter.learn(6, 6);
        assert_eq!(drafter.guess(9).len(), 7);
        drafter.learn(7, 2);
        assert_eq!(drafter.guess(9).len(), 2);
        drafter.learn(2, 0);
        assert!(drafter.guess(9).is_empty());
        assert_eq!(drafter.resting, 3, "the rest begins anew");
    }
}
