//! What goes wrong, how often, and how often it did.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use crate::dice::Dice;

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident = $usual:literal,)*) => {
        /// One kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Fault { $($(#[doc = $doc])+ $name,)* }

        impl Fault {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// How often in a thousand it strikes in ordinary weather, each time it could; zero for what is a step of the
            /// schedule and not left to chance.
            #[must_use]
            pub const fn usual_per_mille(self) -> u16 {
                match self { $(Self::$name => $usual,)* }
            }
        }
    };
}

faults! {
    /// A request does not arrive.
    RequestLost = 60,
    /// The server did it, and its answer does not arrive.
    AnswerLost = 90,
    /// The answer breaks off: what is left is not our server's.
    AnswerTruncated = 25,
    /// A request takes its time.
    RequestLate = 60,
    /// The answer names only some of what was asked, in any order.
    AnswerPartial = 25,
    /// There is no answer, and no error either: who waits for it waits for ever.
    NeverAnswered = 4,
    /// An answer takes its time.
    AnswerLate = 60,
    /// A copy of the request arrives later.
    DeliveredTwice = 60,
    /// A request arrived after one that was sent later. It follows from the above.
    Reordered = 0,
    /// A login page, with 200, in place of an answer.
    CaptivePortal = 25,
    /// 401: the token is refused, though there is nothing wrong with it.
    Unauthorized = 15,
    /// 403: somebody between here and there forbids the whole request.
    Forbidden = 8,
    /// 413: it is too large for somebody between here and there.
    TooLarge = 25,
    /// 429, with a `Retry-After`.
    TooMany = 25,
    /// 500.
    ServerError = 25,
    /// 503, with or without a `Retry-After`.
    Unavailable = 25,
    /// A context that holds the lease looks dead to another, which takes it: both are at it.
    LeaseStolen = 30,
    /// A context is frozen for a while, or its timers are slowed down: what it wanted to wait takes longer.
    TimerLate = 30,
    /// A read of the store is aborted.
    ReadAborted = 12,
    /// A write is aborted, and its writer hears only that something is wrong.
    WriteLost = 12,
    /// A write is done, and its writer hears that something is wrong.
    WriteUnheard = 12,
    /// A write finds no room.
    NoRoom = 0,
    /// Two of the server's transactions cannot both be.
    SerializationFailure = 6,
    /// A transaction of the server commits long after it began.
    LateCommit = 60,
    /// A transaction was held back from readers because one with an earlier place had not committed yet.
    HeldBack = 0,
    /// A context dies.
    Crash = 0,
    /// All of a device's contexts die at once.
    DeviceCrash = 0,
    /// The server dies, with all that it is doing.
    ServerCrash = 0,
    /// A device loses its connection.
    Offline = 0,
    /// A context's clock is set to another time, or all of a device's.
    ClockJump = 0,
    /// Somebody else signs in on a device.
    UserSwitch = 0,
    /// A request named one principal and carried another's token.
    WrongPrincipal = 0,
    /// The server refuses a device's token until somebody signs in again.
    TokenRefused = 0,
    /// A context starts that knows an older schema.
    OldRelease = 0,
    /// The server is restored from a backup.
    Restore = 0,
    /// The server forgets old tombstones and answers.
    Purge = 0,
    /// The server will never take this mutation.
    Poison = 0,
    /// No request that holds this mutation is ever answered but by a refusal.
    RequestPoison = 0,
}

impl Fault {
    /// As it is printed and stored.
    #[must_use]
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

const KINDS: usize = Fault::ALL.len();

/// How often each kind happened.
pub type Counts = BTreeMap<Fault, u64>;

/// How often in a thousand each kind strikes where it can.
pub type Rates = BTreeMap<Fault, u16>;

/// What strikes in one world, and what has.
pub struct Weather {
    per_mille: [u16; KINDS],
    counts: [AtomicU64; KINDS],
    is_healed: AtomicBool,
}

impl Weather {
    #[must_use]
    pub fn new(rates: &Rates) -> Arc<Self> {
        Arc::new(Self {
            per_mille: std::array::from_fn(|at| rates.get(&Fault::ALL[at]).copied().unwrap_or(0)),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            is_healed: AtomicBool::new(false),
        })
    }

    /// Whether it happens now. The dice are thrown in any case, so that a kind that is silenced changes no other's luck.
    pub fn strikes(&self, fault: Fault, dice: &Dice) -> bool {
        let struck = dice.roll(1_000) < u64::from(self.per_mille[fault as usize]) && !self.is_healed();
        if struck {
            self.count(fault);
        }
        struck
    }

    /// It happened.
    pub fn count(&self, fault: Fault) {
        self.counts[fault as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.is_healed.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_healed(&self) -> bool {
        self.is_healed.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        let count = |fault: &Fault| (*fault, self.counts[*fault as usize].load(Ordering::Relaxed));
        Fault::ALL.iter().map(count).filter(|(_, count)| *count > 0).collect()
    }
}
