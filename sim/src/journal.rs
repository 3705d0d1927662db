//! What happened, in order: nothing but the first broken promise in an ordinary run, every event where somebody
//! wants to read them.

use std::{cell::RefCell, fmt, rc::Rc};

use crate::executor::Time;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number in DESIGN, "The promises". 0 is the fold: the same entries, the same state. 255 is a panic.
    pub promise: u8,
    pub what: String,
    /// The ids of the records and mutations that it is about.
    pub subjects: Vec<String>,
}

/// The fold is no promise of its own; all others rest on it.
pub const FOLD: u8 = 0;
/// The engine panicked.
pub const PANIC: u8 = 255;

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.promise {
            FOLD => write!(f, "the fold: {}", self.what),
            PANIC => write!(f, "a panic: {}", self.what),
            promise => write!(f, "promise {promise}: {}", self.what),
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub at_ms: u64,
    pub place: String,
    pub what: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at_ms / 1_000;
        write!(f, "{seconds:>8}.{:03} s  {:<18} {}", self.at_ms % 1_000, self.place, self.what)
    }
}

/// One world's journal. Clones share it.
#[derive(Clone)]
pub struct Journal {
    time: Time,
    lines: Option<Rc<RefCell<Vec<Line>>>>,
    violation: Rc<RefCell<Option<Violation>>>,
}

impl Journal {
    #[must_use]
    pub fn new(time: Time, keeps_lines: bool) -> Self {
        Self { time, lines: keeps_lines.then(Rc::default), violation: Rc::default() }
    }

    /// Notes an event. What it says is made only if somebody reads it.
    pub fn note<P: Into<String>>(&self, event: impl FnOnce() -> (P, String)) {
        if let Some(lines) = &self.lines {
            let (place, what) = event();
            lines.borrow_mut().push(Line { at_ms: self.time.elapsed_ms(), place: place.into(), what });
        }
    }

    /// Notes that a promise is broken. The first one counts: what follows may follow from it.
    pub fn broken(&self, promise: u8, what: String, subjects: &[&str]) {
        let mut violation = self.violation.borrow_mut();
        if violation.is_none() {
            self.note(|| ("promises", format!("BROKEN {promise}: {what}")));
            let subjects = subjects.iter().map(|&subject| subject.to_owned()).collect();
            *violation = Some(Violation { promise, what, subjects });
        }
    }

    /// The first broken promise, if there is one.
    pub fn check(&self) -> Result<(), Violation> {
        self.violation.borrow().clone().map_or(Ok(()), Err)
    }

    #[must_use]
    pub fn take_lines(&self) -> Vec<Line> {
        self.lines.as_ref().map(|lines| lines.take()).unwrap_or_default()
    }
}
