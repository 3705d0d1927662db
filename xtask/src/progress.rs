//! What the tool says while it works: one line per step, with the time since the start.

use std::fmt::Display;
use std::io::{Write, stdout};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// A line of progress, after the time since the tool's first line.
pub(crate) fn say(message: impl Display) {
    line(format_args!("{:>8}  {message}", clock(start().elapsed())));
}

/// A line below the last one, with no time of its own.
pub(crate) fn detail(message: impl Display) {
    line(format_args!("{:>8}  {message}", ""));
}

/// A line as it is. A closed stdout (`| head`) must not end a run half-way, so failing to write is no error.
pub(crate) fn line(message: impl Display) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{message}").and_then(|()| out.flush());
}

/// A duration as a person says it: `0.4 s`, `12.3 s`, `2m 05s`.
pub(crate) fn clock(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        let seconds = (tenths + 5) / 10;
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well_on_both_sides_of_a_minute() {
        assert_eq!(clock(Duration::from_millis(449)), "0.4 s");
        assert_eq!(clock(Duration::from_millis(59_940)), "59.9 s");
        assert_eq!(clock(Duration::from_millis(59_990)), "1m 00s");
        assert_eq!(clock(Duration::from_secs(125)), "2m 05s");
    }
}
