//! Bugs on purpose, to prove that the simulator would find them.
//!
//! Each is a named switch in the line that it breaks: `if planted!("coalesce-in-flight") { … }`. Without the feature
//! `planted` the switch is `false` when it is compiled and nothing of it is left; with it, [`plant`] chooses one at run time.
//! [`BUGS`] says which promise each breaks, and which trap it stands for.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bug {
    pub name: &'static str,
    /// What it does wrong, as the trap is known in the field.
    pub trap: &'static str,
    /// The number of the promise that it breaks (DESIGN, "The promises"), as the simulator's violation names it.
    pub promise: u8,
}

/// All of them.
pub const BUGS: &[Bug] = &[];

/// Whether this bug is planted: `false` in everything that ships.
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        cfg!(feature = "planted") && $crate::planted::is_planted($name)
    };
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// Plants one bug in this thread, or none.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<&Bug>) {
    PLANTED.set(bug.map(|bug| bug.name));
}

/// See [`planted!`](crate::planted!).
#[cfg(feature = "planted")]
#[must_use]
pub fn is_planted(name: &str) -> bool {
    debug_assert!(BUGS.iter().any(|bug| bug.name == name), "`{name}` is not in the list of bugs");
    PLANTED.get() == Some(name)
}

/// Nothing is ever planted in what ships.
#[cfg(not(feature = "planted"))]
#[must_use]
pub const fn is_planted(_: &str) -> bool {
    false
}
