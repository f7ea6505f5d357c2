//! Logits as far as they were computed. What was not computed is not there, so nobody can take it for a logit. Plain data.

use cloister_kernels::LANES;

use crate::grammar::Mask;

/// Whose logits are asked for at one position.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'m> {
    /// Every token's.
    All,
    /// Those of the tokens that may come next.
    Allowed(&'m Mask),
    /// Nobody's.
    Nothing,
}

impl Ask<'_> {
    /// Which tokens of a tile of sixteen are asked for, lowest bit first.
    fn tile(self, tile: u32) -> u16 {
        match self {
            Self::All => u16::MAX,
            Self::Allowed(mask) => mask.tile(tile),
            Self::Nothing => 0,
        }
    }
}

/// Which rows of the output head are computed, in tiles of sixteen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Tiles {
    #[default]
    All,
    /// These, ascending.
    Some(Vec<u32>),
}

impl Tiles {
    /// What answers all of `asks`, of a head of `all` tiles. Where more than half would be needed it is all: scattered reads gain little then.
    pub(crate) fn of(asks: &[Ask<'_>], all: usize) -> Self {
        let mut words: Vec<u32> = Vec::new();
        for ask in asks {
            let mask = match ask {
                Ask::All => return Self::All,
                Ask::Allowed(mask) => mask,
                Ask::Nothing => continue,
            };
            words.resize(words.len().max(mask.words().len()), 0);
            for (sum, word) in words.iter_mut().zip(mask.words()) {
                *sum |= *word;
            }
        }
        let halves = words.iter().flat_map(|word| [*word & 0xffff, *word >> 16]);
        let list: Vec<u32> = (0..)
            .zip(halves)
            .filter(|(_, half)| *half != 0)
            .map(|(tile, _)| tile)
            .collect();
        match list.len().saturating_mul(2) > all {
            true => Self::All,
            false => Self::Some(list),
        }
    }

    /// Logits computed for one position, of a vocabulary of so many.
    pub(crate) fn width(&self, vocabulary: usize) -> usize {
        match self {
            Self::All => vocabulary,
            Self::Some(list) => list.len().saturating_mul(LANES),
        }
    }
}

/// Logits of some positions, row after row, as far as they were computed.
#[derive(Debug, Clone, Default)]
pub struct Logits {
    values: Vec<f32>,
    rows: usize,
    tiles: Tiles,
}

impl Logits {
    /// All logits of `rows` positions.
    #[must_use]
    pub fn whole(values: Vec<f32>, rows: usize) -> Self {
        let tiles = Tiles::All;
        Self {
            values,
            rows,
            tiles,
        }
    }

    /// Those of one position: each token asked for with its logit, ascending. Nothing for a position that was not computed.
    pub fn among<'l>(&'l self, row: usize, ask: Ask<'l>) -> impl Iterator<Item = (u32, f32)> + 'l {
        let tile = |index: u32| match &self.tiles {
            Tiles::All => Some(index),
            Tiles::Some(list) => list.get(index as usize).copied(),
        };
        let groups = self.row(row).chunks(LANES).zip(0_u32..);
        groups.flat_map(move |(values, index)| {
            let tile = tile(index);
            let wanted = tile.map_or(0, |tile| ask.tile(tile));
            let first = tile.unwrap_or_default().saturating_mul(LANES as u32);
            let tokens = (first..).zip(0..LANES as u32).zip(values);
            tokens
                .filter(move |((_, lane), _)| wanted >> lane & 1 == 1)
                .map(|((token, _), value)| (token, *value))
        })
    }

    /// Every logit of one position, if all were computed.
    #[must_use]
    pub fn all(&self, row: usize) -> Option<&[f32]> {
        (self.tiles == Tiles::All && row < self.rows).then(|| self.row(row))
    }

    /// How many positions there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn row(&self, row: usize) -> &[f32] {
        let width = self.values.len().checked_div(self.rows).unwrap_or_default();
        let start = row.saturating_mul(width);
        self.values
            .get(start..start.saturating_add(width))
            .unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.rows = 0;
    }

    /// Has `compute` fill in what these tiles give for `rows` positions; nothing is known if it fails.
    pub(crate) fn fill<E>(
        &mut self,
        rows: usize,
        tiles: Tiles,
        compute: impl FnOnce(&Tiles, &mut Vec<f32>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.clear();
        compute(&tiles, &mut self.values)?;
        self.rows = rows;
        self.tiles = tiles;
        Ok(())
    }

    /// Forgets all positions but the last.
    pub(crate) fn keep_last(&mut self) {
        let last = self.row(self.rows.saturating_sub(1)).len();
        self.values.drain(..self.values.len().saturating_sub(last));
        self.rows = self.rows.min(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::Constraint;
    use crate::testing;

    fn mask(pattern: &str) -> Mask {
        let engine = testing::engine("qwen2");
        let mut matcher = Constraint::regex(pattern)
            .unwrap()
            .start(engine.vocabulary())
            .unwrap();
        matcher.mask().unwrap().clone()
    }

    #[test]
    fn tiles_are_those_that_hold_an_allowed_token() {
        // a is 97 and z 122: tiles 6 and 7; € begins with 226: tile 14.
        let (letters, euro) = (mask("[az]1"), mask("[€a]1"));
        let asks = [Ask::Allowed(&letters), Ask::Allowed(&euro)];
        assert_eq!(Tiles::of(&asks, 17), Tiles::Some(vec![6, 7, 14]));
        assert_eq!(Tiles::of(&asks, 5), Tiles::All, "more than half");
        assert_eq!(Tiles::of(&[asks[0], Ask::All], 17), Tiles::All);
        let some = Tiles::of(&[Ask::Nothing, asks[0]], 17);
        assert_eq!(some, Tiles::Some(vec![6, 7]));
    }

    #[test]
    fn what_was_not_computed_is_not_there() {
        let letters = mask("[az]1");
        let mut logits = Logits::default();
        let all: Vec<f32> = (0..259_u16).map(f32::from).collect();
        logits
            .fill(1, Tiles::Some(vec![6, 14]), |_, values| {
                values.extend_from_slice(&all[96..112]);
                values.extend_from_slice(&all[224..240]);
                Ok::<_, ()>(())
            })
            .unwrap();
        let ask = Ask::Allowed(&letters);
        assert_eq!(logits.among(0, ask).collect::<Vec<_>>(), [(97, 97.0)]);
        assert_eq!(logits.among(0, Ask::All).count(), 32);
        assert!(logits.all(0).is_none() && logits.among(1, ask).next().is_none());
        let whole = Logits::whole([all.clone(), all].concat(), 2);
        let found: Vec<_> = whole.among(1, ask).collect();
        assert_eq!(found, [(97, 97.0), (122, 122.0)]);
        assert_eq!(whole.among(1, Ask::All).count(), 259);
        assert_eq!(whole.among(1, Ask::Nothing).count(), 0);
    }
}
