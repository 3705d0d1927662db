//! Chance, from a seed: the same seed, the same run.

use std::cell::Cell;
use std::rc::Rc;

use landfall_core::log::memory::Yields;
use landfall_core::ports::Random;

/// `SplitMix64`: small, and the same on every machine.
#[derive(Debug)]
pub struct Dice(Cell<u64>);

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self(Cell::new(seed)))
    }

    /// From 0 to `sides - 1`.
    pub fn roll(&self, sides: u64) -> u64 {
        self.bits() % sides
    }

    /// True once in `sides` times.
    pub fn one_in(&self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    /// One of several, or nothing of nothing.
    pub fn pick<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() {
            return None;
        }
        of.get(usize::try_from(self.roll(of.len() as u64)).unwrap_or_default())
    }
}

impl Random for Dice {
    fn bits(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Yields for Dice {
    fn turns(&self) -> u32 {
        u32::try_from(self.roll(3)).unwrap_or_default()
    }
}
