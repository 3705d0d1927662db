//! Process groups: everything that a child started ends with it, and all of it ends when this tool is told to.

use std::collections::BTreeSet;
use std::fs;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::progress::line;

/// How long a group may take to end by itself: a server closes its database, a driver its browser.
const GRACE: Duration = Duration::from_secs(2);

/// Set once, before the groups are ended, and never taken back.
static STOPPING: AtomicBool = AtomicBool::new(false);
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

fn running() -> MutexGuard<'static, BTreeSet<i32>> {
    // A set of numbers is whole after any panic.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child that leads its own group, with all it started.
pub(crate) struct Group {
    leader: i32,
}

impl Group {
    /// The group of a child that was spawned with `process_group(0)`.
    pub(crate) fn of(child: &Child) -> Self {
        // Linux and macOS number processes far below the limit of i32.
        let leader = i32::try_from(child.id()).unwrap_or(i32::MAX);
        running().insert(leader);
        Self { leader }
    }

    /// Ends what is left of it: asked first, then made to.
    pub(crate) fn end(self) {
        end(self.leader);
        running().remove(&self.leader);
    }
}

fn end(leader: i32) {
    let strays = strays(leader);
    let alive = || {
        killpg(Pid::from_raw(leader), None) != Err(Errno::ESRCH)
            || strays.iter().any(|pid| kill(*pid, None).is_ok())
    };
    let send = |signal: Signal| {
        let _ = killpg(Pid::from_raw(leader), signal);
        for stray in &strays {
            let _ = kill(*stray, signal);
        }
    };
    send(Signal::SIGTERM);
    let asked = Instant::now();
    while alive() {
        if asked.elapsed() >= GRACE {
            send(Signal::SIGKILL);
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Descendants of `leader` that left its group, as browsers do with their sandboxes and crash handlers. Linux only:
/// elsewhere a group is all there is.
fn strays(leader: i32) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let processes: Vec<(i32, i32, i32)> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name before the last parenthesis may hold anything; state, parent and group follow it.
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
            Some((pid, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .collect();
    let mut tree = BTreeSet::from([leader]);
    tree.extend(processes.iter().filter(|(_, _, group)| *group == leader).map(|(pid, _, _)| *pid));
    loop {
        let before = tree.len();
        let children: Vec<i32> =
            processes.iter().filter(|(_, parent, _)| tree.contains(parent)).map(|(pid, _, _)| *pid).collect();
        tree.extend(children);
        if tree.len() == before {
            break;
        }
    }
    let outside = |pid: &i32| processes.iter().any(|(other, _, group)| other == pid && *group != leader);
    tree.into_iter().filter(outside).map(Pid::from_raw).collect()
}

/// Never returns once a signal has come: the thread that works must not start the next child, or report the end of this
/// one as a failure, while the signal's thread ends the process.
pub(crate) fn wait_if_stopping() {
    while STOPPING.load(Ordering::SeqCst) {
        thread::park();
    }
}

/// From now on an interrupt or a hang-up ends every running group before this process. Children are not in the
/// terminal's foreground group, so Ctrl-C does not reach them by itself.
pub(crate) fn stop_children_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            STOPPING.store(true, Ordering::SeqCst);
            let leaders: Vec<i32> = running().iter().copied().collect();
            for leader in leaders {
                end(leader);
            }
            line("\nStopped.");
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}
