//! A schedule: what happens in one world, as data. It can be printed, kept as a file, and shrunk.

mod generate;
mod shrink;

use serde::{Deserialize, Serialize};

use crate::faults::Rates;

pub use generate::generate;
pub use shrink::{Shrunk, shrink};

/// One thing that somebody does, or that happens to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    CreateFolder,
    CreateNote,
    CreatePhoto,
    CreateTask,
    /// Several records by one command.
    CreateMany,
    Update,
    /// Counts a visit to a task.
    Count,
    /// Adds an entry to a task's list.
    Log,
    /// Removes a field's value.
    Unset,
    /// A note or a photo goes into another folder.
    Move,
    Delete,
    /// Writes what the server will never take.
    Poison,
    /// Writes what breaks every request that it is in.
    RequestPoison,
    /// A person decides about something that is parked, or gives up something else.
    Decide,
    Pass,
    PassNow,
    NetworkReturned,
    CatchUp,
    Compact,
    /// A context starts in place of whatever is there, of the newest release or of an older one.
    Open,
    OpenOld,
    /// A context dies, at once or in the middle of what it does next.
    Crash,
    DeviceCrash,
    ServerCrash,
    Offline,
    Online,
    ClockJump,
    /// There is no room left on the device; and there is again.
    Full,
    Room,
    SwitchUser,
    RefuseToken,
    AcceptToken,
    Restore,
    Purge,
    Wait,
}

/// One step. What is left to chance in it comes from its own seed, so that it means the same whatever stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    #[serde(rename = "do")]
    pub act: Act,
    /// The number of a device, and of a context on it.
    pub on: (usize, usize),
    pub seed: u32,
    /// The time that passes after it.
    pub wait_ms: u64,
    /// No time passes and the next step begins beside this one, after so many polls of whatever goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polls: Option<u32>,
}

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The promise that it once broke, where it is kept for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke: Option<u8>,
    pub seed: u64,
    pub devices: usize,
    /// The largest upload that the server takes, in operations.
    pub batch_max: usize,
    /// The most rows that it puts on a page.
    #[serde(default = "page_rows_usual")]
    pub page_rows_max: u32,
    /// The newest release of the app lets no older one write beside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_barrier: bool,
    /// How often what is left to chance strikes, in a thousand; a kind that is not named never does.
    pub faults: Rates,
    pub steps: Vec<Step>,
}

fn page_rows_usual() -> u32 {
    1_000
}

impl Schedule {
    /// Reads what [`to_text`](Self::to_text) wrote.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// As it is kept: a line for each step.
    #[must_use]
    pub fn to_text(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(|step| format!("  {}", json(step))).collect();
        let head = json(&Self { steps: Vec::new(), ..self.clone() });
        let head = head.strip_suffix("[]}").unwrap_or(&head);
        format!("{head}[\n{}\n]}}\n", steps.join(",\n"))
    }
}

fn json(value: &impl Serialize) -> String {
    // Plain structs of numbers and names: there is nothing in them that could fail.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_read_as_it_was_written() {
        let schedule = generate(7);
        assert!(schedule.steps.len() >= 200 && schedule.devices >= 2);
        assert_eq!(Schedule::parse(&schedule.to_text()), Ok(schedule));
    }
}
