//! `cargo xtask demo`: everything built, the server with the demo on localhost until Ctrl-C.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::layout;
use crate::process::{Group, wait_if_stopping};
use crate::progress::{line, say};
use crate::workshop::{Need, Workshop};

const FIRST_PORT: u16 = 8080;
/// Ports tried from the first one on when none was asked for.
const PORTS: u16 = 20;
/// What the server says, once, when it is ready.
const READY: &str = "landfall-server listening on ";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The port to listen on [default: 8080, or the next one that is free]
    #[arg(long)]
    port: Option<u16>,
    /// Start with a new database instead of what the last run left
    #[arg(long)]
    fresh: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut workshop = Workshop::new();
    workshop.need(Need::Www)?;
    workshop.need(Need::Server)?;

    let data = layout::target().join("demo/demo.sqlite");
    let folder = data.parent().unwrap_or(Path::new("."));
    if options.fresh && folder.exists() {
        // The folder, not the file: SQLite keeps its journal beside it.
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let port = free_port(options.port)?;

    let mut server = Command::new(layout::server())
        .arg("--data")
        .arg(&data)
        .args(["--schema", "www/schema.json", "--open", "--demo", "--static", "www/dist"])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("cannot start the server")?;
    let group = Group::of(&server);
    if let Some(output) = server.stdout.take() {
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            match text.strip_prefix(READY) {
                Some(address) => announce(address.trim()),
                None => line(text),
            }
        }
    }
    let status = server.wait()?;
    wait_if_stopping();
    group.end();
    bail!(
        "the server ended by itself ({status}); its reason is above, and `cargo xtask demo --fresh` starts with a new database"
    )
}

fn announce(address: &str) {
    say("the demo is ready");
    line("");
    line(format_args!("    Open  {address}"));
    line("");
    line("    Ctrl-C stops it. What you enter stays in target/demo until you pass --fresh.");
    line("");
}

/// A port that nothing listens on. The server binds it a moment later and says so if somebody was quicker.
fn free_port(wanted: Option<u16>) -> Result<u16> {
    choose_port(wanted, |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

fn choose_port(wanted: Option<u16>, is_free: impl Fn(u16) -> bool) -> Result<u16> {
    if let Some(port) = wanted {
        if !is_free(port) {
            bail!("port {port} is taken or not allowed: choose another with --port, or leave it out");
        }
        return Ok(port);
    }
    let mut ports = FIRST_PORT..FIRST_PORT + PORTS;
    let last = FIRST_PORT + PORTS - 1;
    ports
        .find(|port| is_free(*port))
        .with_context(|| format!("ports {FIRST_PORT} to {last} are all taken: choose one with --port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_listens_on_is_refused() -> Result<()> {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        assert!(free_port(Some(taken.local_addr()?.port())).is_err());
        Ok(())
    }

    // Not by closing a listener: a process that another test starts holds it open until it has become its own program.
    #[test]
    fn a_taken_port_is_passed_over_or_refused_when_asked_for() -> Result<()> {
        let is_free = |port| port == FIRST_PORT + 2;
        assert_eq!(choose_port(None, is_free)?, FIRST_PORT + 2);
        assert_eq!(choose_port(Some(FIRST_PORT + 2), is_free)?, FIRST_PORT + 2);
        assert!(choose_port(Some(FIRST_PORT), is_free).is_err());
        assert!(choose_port(None, |_| false).is_err());
        Ok(())
    }
}
