//! Running one command: its output watched, kept and counted, its time bounded, its children not left behind.
//!
//! In order: the child starts as the leader of its own process group, with no stdin, so that nothing waits for an answer
//! that cannot come; two threads pass its lines on; the loop here shows or keeps them, says that it is still
//! there when a quiet child takes long, and ends the group when the time is up. Whatever is left of the group after the
//! child has ended (a browser whose driver crashed) is ended too.

mod group;
mod lines;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::layout;
use crate::progress::{clock, detail, line, say};

pub(crate) use group::{Group, stop_children_on_signals, wait_if_stopping};
use lines::plain;

/// A quiet step says that it is still running this often.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How long a child's pipes may stay open after it has ended: something it started may hold them.
const DRAIN: Duration = Duration::from_secs(3);
/// How often the loop looks whether the child has ended.
const POLL: Duration = Duration::from_millis(100);
/// Lines shown of a quiet step that failed: npm says what is wrong first, compilers say it last. The whole is in its log.
const HEAD_LINES: usize = 15;
const TAIL_LINES: usize = 30;

/// One command to run.
pub(crate) struct Step {
    name: String,
    command: Command,
    time_limit: Duration,
    live: bool,
    advice: Option<String>,
}

/// How a command ended.
pub(crate) struct Outcome {
    /// Whether it exited with zero within its time.
    pub(crate) success: bool,
    /// Why not, in words.
    pub(crate) ending: String,
    /// What it wrote to stdout and stderr, in the order it arrived, without terminal colours.
    pub(crate) text: String,
    pub(crate) elapsed: Duration,
    log: PathBuf,
}

impl Step {
    /// A step called `name` in progress lines and for its log, running `program` from the workspace's root with the
    /// workspace's tools first on its `PATH`.
    pub(crate) fn new(name: impl Into<String>, program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.current_dir(layout::root()).env("PATH", layout::search_path());
        Self { name: name.into(), command, time_limit: Duration::from_mins(20), live: false, advice: None }
    }

    pub(crate) fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Shows every line as it comes, instead of a sign of life now and then.
    pub(crate) fn live(mut self) -> Self {
        self.live = true;
        self
    }

    /// What to do if it fails, said after the failure.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Runs it with a line of progress before and after; an error, with the end of its output, unless it succeeds.
    pub(crate) fn run(self) -> Result<Outcome> {
        let name = self.name.clone();
        let live = self.live;
        let advice = self.advice.clone().unwrap_or_else(|| "the lines above say why".to_owned());
        say(format_args!("{name} …"));
        let outcome = self.outcome()?;
        if outcome.success {
            say(format_args!("{name}: done in {}", clock(outcome.elapsed)));
            return Ok(outcome);
        }
        if !live {
            outcome.show();
        }
        bail!("{name}: {}; {advice} (all of its output: {})", outcome.ending, layout::short(&outcome.log));
    }

    /// Runs it and tells how it ended; an error only if it could not be started or watched.
    pub(crate) fn outcome(mut self) -> Result<Outcome> {
        let log = layout::records().join("logs").join(format!("{}.log", file_name(&self.name)));
        fs::create_dir_all(layout::records().join("logs"))?;
        let mut log_file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let started = Instant::now();
        wait_if_stopping();
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let program = self.command.get_program().to_string_lossy().into_owned();
        let mut child = self.command.spawn().with_context(|| format!("cannot start {program}"))?;
        let group = Group::of(&child);
        let lines = lines::from(&mut child);
        let deadline = started + self.time_limit;
        let mut watched =
            Watched { name: self.name, live: self.live, started, text: String::new(), last: started };
        let mut closed = false;
        let status = loop {
            closed = closed || watched.take(&lines, &mut log_file, POLL)?;
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if Instant::now() >= deadline {
                break None;
            }
            if closed {
                std::thread::sleep(POLL);
            }
            watched.sign_of_life();
        };
        group.end();
        let status = if let Some(status) = status {
            Some(status)
        } else {
            child.wait()?;
            None
        };
        wait_if_stopping();
        let drained_by = Instant::now() + DRAIN;
        while !closed && Instant::now() < drained_by {
            closed = watched.take(&lines, &mut log_file, POLL)?;
        }
        Ok(Outcome {
            success: status.is_some_and(|status| status.success()),
            ending: ending(status, self.time_limit),
            text: watched.text,
            elapsed: started.elapsed(),
            log,
        })
    }
}

impl Outcome {
    /// Prints the output, without the middle of a long one.
    fn show(&self) {
        let lines: Vec<&str> = self.text.lines().collect();
        let head = lines.len().min(HEAD_LINES);
        let tail = lines.len().saturating_sub(TAIL_LINES).max(head);
        let cut = (tail > head).then(|| format!("[{} lines]", tail - head));
        for shown in lines[..head].iter().copied().chain(cut.as_deref()).chain(lines[tail..].iter().copied())
        {
            line(format_args!("    {shown}"));
        }
    }
}

/// A running child's output and how long it has been silent.
struct Watched {
    name: String,
    live: bool,
    started: Instant,
    text: String,
    last: Instant,
}

impl Watched {
    /// Takes what comes within `patience`; true once both pipes are closed.
    fn take(&mut self, lines: &Receiver<String>, log: &mut File, patience: Duration) -> Result<bool> {
        let until = Instant::now() + patience;
        loop {
            match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(text) => {
                    if self.live {
                        line(&text);
                        self.last = Instant::now();
                    }
                    let text = plain(&text);
                    writeln!(log, "{text}")?;
                    self.text.push_str(&text);
                    self.text.push('\n');
                }
                Err(RecvTimeoutError::Timeout) => return Ok(false),
                Err(RecvTimeoutError::Disconnected) => return Ok(true),
            }
        }
    }

    fn sign_of_life(&mut self) {
        if self.last.elapsed() < HEARTBEAT {
            return;
        }
        self.last = Instant::now();
        let doing = self.text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("").trim();
        let doing: String = doing.chars().take(80).collect();
        detail(format_args!("… {} after {}: {doing}", self.name, clock(self.started.elapsed())));
    }
}

fn ending(status: Option<ExitStatus>, limit: Duration) -> String {
    match status {
        None => format!("not finished after {}, so it was ended", clock(limit)),
        Some(status) => status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}")),
    }
}

/// A step's name as a file's.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}

/// What `program` prints for `args`, trimmed; nothing if it cannot be run or fails. For short questions to tools.
pub(crate) fn answer(program: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Step {
        Step::new(format!("test {script}"), "sh").args(["-c", script])
    }

    #[test]
    fn both_streams_and_the_exit_code_are_kept() -> Result<()> {
        let outcome = shell("echo out; echo err >&2; exit 3").outcome()?;
        assert!(!outcome.success);
        assert_eq!(outcome.ending, "exit code 3");
        assert!(outcome.text.contains("out\n") && outcome.text.contains("err\n"));
        Ok(())
    }

    #[test]
    fn a_child_that_takes_too_long_ends_with_all_it_started() -> Result<()> {
        let started = Instant::now();
        let outcome = shell("sleep 61.25 & echo grandchild $!; wait")
            .time_limit(Duration::from_millis(300))
            .outcome()?;
        assert!(!outcome.success);
        assert!(outcome.ending.starts_with("not finished"));
        assert!(started.elapsed() < Duration::from_secs(20));
        let pid = outcome.text.trim().trim_start_matches("grandchild ").to_owned();
        assert_eq!(
            answer("sh", &["-c", &format!("kill -0 {pid} && echo alive")]),
            None,
            "grandchild {pid} lives on"
        );
        Ok(())
    }

    #[test]
    fn what_a_child_leaves_running_is_ended_and_holds_nothing_up() -> Result<()> {
        let started = Instant::now();
        let outcome = shell("sleep 61.5 & echo done").outcome()?;
        assert!(outcome.success);
        assert!(started.elapsed() < Duration::from_secs(20));
        Ok(())
    }
}
