//! Chance, from a seed: the same seed, the same run.
//!
//! A world has several dice, one for each concern, so that what one concern draws leaves the others' chances alone. All are
//! thrown anew at each step, from the step's own seed: a step that is left out changes the steps after it
//! only through what it would have done.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use landfall_core::{log::memory::Yields, ports::Random};

/// `SplitMix64`: small, and the same on every machine. Atomic only because the server's store port asks for `Send`.
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seed)))
    }

    /// From here on as a new one of this seed.
    pub fn reseed(&self, seed: u64) {
        self.0.store(seed, Ordering::Relaxed);
    }

    /// From 0 to `sides - 1`.
    pub fn roll(&self, sides: u64) -> u64 {
        self.bits() % sides
    }

    /// The same, as an index.
    pub fn index(&self, sides: usize) -> usize {
        usize::try_from(self.roll(sides as u64)).unwrap_or_default()
    }

    /// True once in `sides` times.
    pub fn one_in(&self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    /// One of several, or nothing of nothing.
    pub fn pick<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.index(of.len())) }
    }

    /// A length of time: mostly short, now and then long, never more than `max_ms`.
    pub fn wait_ms(&self, max_ms: u64) -> u64 {
        let ceiling = (max_ms >> self.roll(12)).max(1);
        self.roll(ceiling + 1)
    }
}

/// Two numbers as one seed.
#[must_use]
pub fn mix(one: u64, other: u64) -> u64 {
    finish(one.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ finish(other.wrapping_add(0xD6E8_FEB8_6659_FD93)))
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random for Dice {
    fn bits(&self) -> u64 {
        let state = self.0.load(Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.store(state, Ordering::Relaxed);
        finish(state)
    }
}

/// How often a request to the store lets others run.
#[derive(Debug)]
pub struct Pauses(pub Arc<Dice>);

impl Yields for Pauses {
    fn turns(&self) -> u32 {
        u32::try_from(self.0.roll(3)).unwrap_or_default()
    }
}
