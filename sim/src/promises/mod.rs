//! What must hold, checked as it happens.
//!
//! Each database has a [`Shadow`](shadow::Shadow): a fold of its log that the simulator keeps, entry by entry, beside the contexts' own. The
//! [`Books`](books::Books) hold what all shadows and the server's store have done: every mutation's life, every version of every
//! record. An entry is judged when it is folded ([`outbox`], [`merges`], [`records`], [`pulled`]), a commit of the server when it is entered in the
//! books, and what can only be seen from outside after everything has healed ([`agreement`]).

pub mod agreement;
pub mod books;
mod merges;
mod outbox;
mod pulled;
mod records;
pub mod shadow;

/// The promises by their numbers in DESIGN.
pub mod number {
    pub const DURABLE: u8 = 1;
    pub const CONSERVED: u8 = 2;
    pub const ONCE: u8 = 3;
    pub const ORDERED: u8 = 4;
    pub const ISOLATED_FAILURE: u8 = 5;
    pub const CONVERGENT: u8 = 6;
    pub const NOTHING_SKIPPED: u8 = 7;
    pub const NOTHING_RESURRECTED: u8 = 8;
    pub const NO_DANGLING_IDS: u8 = 9;
    pub const HONEST_ROLLBACK: u8 = 10;
    pub const NO_SILENT_LOSS: u8 = 11;
    pub const ISOLATED_TENANTS: u8 = 12;
    pub const TRUTHFUL_STATUS: u8 = 13;
}
