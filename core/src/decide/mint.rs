//! Ids from a seed: the same command mints the same ids, however often it is decided.

use crate::{
    ids::temporary_id,
    log::entry::{Dating, Id},
};

/// A source of ids that is rolled once, when a command is made, and only read from then on. A command whose entry turns
/// out void is decided again on another state; its mutations keep their ids, so that nothing is doubled.
#[derive(Clone, Copy, Debug)]
pub struct Mint {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    pub seed: [u64; 2],
    /// Which session of the clock `now_ms` was read in: see [`crate::clock::Session`].
    pub session: u32,
    /// By how much the server's clock was ahead of it then, in milliseconds, if that was measured in this session.
    pub offset: Option<i64>,
    /// Where its counting begins: the commands of one turn share a seed, and each has numbers of its own.
    pub first: u64,
}

/// No command mints so many ids.
const NUMBERS_EACH: u64 = 1 << 32;

impl Mint {
    /// That of the n-th command of its turn. What they make sorts in the order in which they were made.
    #[must_use]
    pub fn of(self, n: usize) -> Self {
        Self { first: n as u64 * NUMBERS_EACH, ..self }
    }

    /// The session's name.
    #[must_use]
    pub fn session(&self) -> Id {
        format!("{:08x}", self.session).into()
    }

    /// What is to be kept with what is written now, so that it can be told later what time it was at the server.
    #[must_use]
    pub fn dating(&self) -> Dating {
        self.offset.map_or_else(|| Dating::Session(self.session()), Dating::Offset)
    }

    /// The n-th mutation id: a UUID of version 7 (RFC 9562, section 5.7).
    #[must_use]
    pub fn mutation_id(&self, n: u64) -> Id {
        self.uuid((self.first + n) * 2)
    }

    /// The n-th record id that stays: a UUID of version 7.
    #[must_use]
    pub fn record_uuid(&self, n: u64) -> Id {
        self.uuid((self.first + n) * 2 + 1)
    }

    /// The n-th temporary record id (V3). Those of one command sort in the order in which they were made.
    #[must_use]
    pub fn temporary_id(&self, n: u64, table: &str) -> Id {
        temporary_id(self.now_ms, (self.mix(1, 0) >> 1) + self.first + n, table).into()
    }

    fn uuid(&self, n: u64) -> Id {
        let mut random = [0_u8; 10];
        random[..8].copy_from_slice(&self.mix(2, n).to_be_bytes());
        random[8..].copy_from_slice(&self.mix(3, n).to_be_bytes()[..2]);
        let uuid = uuid::Builder::from_unix_timestamp_millis(self.now_ms, &random).into_uuid();
        (&*uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())).into()
    }

    /// `SplitMix64` over both halves of the seed, a stream and a counter: each output bit depends on all of them.
    fn mix(&self, stream: u64, n: u64) -> u64 {
        let mut state = self.seed[0] ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        state = finish(state.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        finish(state ^ self.seed[1])
    }
}

fn finish(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_distinct_and_repeatable() {
        let mint = Mint { now_ms: 1_760_000_000_000, seed: [7, 11], session: 0, offset: None, first: 0 };
        let ids: BTreeSet<Id> = (0..5_000)
            .flat_map(|n| [mint.mutation_id(n), mint.record_uuid(n), mint.temporary_id(n, "tasks")])
            .collect();
        assert_eq!(ids.len(), 15_000);
        assert_eq!(mint.mutation_id(3), mint.mutation_id(3));
        assert_ne!(mint.mutation_id(3), Mint { seed: [7, 12], ..mint }.mutation_id(3));
    }

    #[test]
    fn the_records_of_one_command_sort_as_they_were_made() {
        let mint =
            Mint { now_ms: 1_760_000_000_000, seed: [u64::MAX, 3], session: 0, offset: None, first: 0 };
        assert!((0..5_000).map(|n| mint.temporary_id(n, "tasks")).is_sorted());
    }

    #[test]
    fn a_mutation_id_is_a_uuid_of_version_7_and_carries_its_time() {
        let id = Mint { now_ms: 1_760_000_000_000, seed: [0, 0], session: 0, offset: None, first: 0 }
            .mutation_id(0);
        assert!(id.starts_with("0199c82c-c000-7"), "{id}");
    }
}
