//! The test browsers and their drivers: Debian's packages where apt is there, a list of what to install where not.

use std::env;
use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::layout;
use crate::process::{Step, answer};
use crate::progress::say;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Browser {
    Chromium,
    Firefox,
    WebKit,
}

/// A program that tests call, under any of its names, and the Debian package that brings it.
struct Program {
    names: &'static [&'static str],
    package: &'static str,
}

impl Browser {
    fn programs(self) -> &'static [Program] {
        match self {
            Browser::Chromium => &[
                Program { names: &["chromium", "chromium-browser", "google-chrome"], package: "chromium" },
                Program { names: &["chromedriver"], package: "chromium-driver" },
            ],
            Browser::Firefox => &[Program { names: &["firefox", "firefox-esr"], package: "firefox-esr" }],
            // WebKitGTK has no headless mode: xvfb-run lends it a display, and needs xauth for that.
            Browser::WebKit => &[
                Program { names: &["WebKitWebDriver"], package: "webkit2gtk-driver" },
                Program { names: &["xvfb-run"], package: "xvfb" },
                Program { names: &["xauth"], package: "xauth" },
            ],
        }
    }

    fn missing(self) -> impl Iterator<Item = &'static Program> {
        self.programs().iter().filter(|program| layout::find_program(program.names).is_none())
    }
}

/// Where a browser or driver that [`require`] has found is.
pub(crate) fn program(names: &[&str]) -> PathBuf {
    layout::find_program(names).unwrap_or_else(|| PathBuf::from(names.first().copied().unwrap_or_default()))
}

/// Installs what is missing of several browsers at once, which is quicker than one after the other. Whatever goes
/// wrong is told by [`require`], for each browser by itself.
pub(crate) fn install(browsers: &[Browser]) {
    let missing: Vec<&Program> = browsers.iter().flat_map(|browser| browser.missing()).collect();
    if !missing.is_empty() && apt_install(&missing).is_err() {
        crate::progress::say(
            "apt could not install the test browsers; suites that need them will say what is missing",
        );
    }
}

/// Makes sure of one browser.
pub(crate) fn require(browser: Browser) -> Result<()> {
    let missing: Vec<&Program> = browser.missing().collect();
    if !missing.is_empty() {
        apt_install(&missing)?;
    }
    match browser.missing().next() {
        None => Ok(()),
        Some(program) => {
            bail!("{} is still missing after the installation: {}", program.names[0], by_hand(&missing))
        }
    }
}

fn apt_install(missing: &[&Program]) -> Result<()> {
    if layout::find_program(&["apt-get"]).is_none() {
        bail!("{}", by_hand(missing));
    }
    let sudo = sudo(missing)?;
    let apt = |name: &str, arguments: &[&str]| {
        let step = match sudo {
            Some(sudo) => {
                Step::new(name, sudo).args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
            }
            None => Step::new(name, "apt-get").env("DEBIAN_FRONTEND", "noninteractive"),
        };
        // Another apt on the machine (its own upgrades) is waited for instead of failed over.
        step.args(["-o", "DPkg::Lock::Timeout=300"]).args(arguments)
    };
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    apt("apt's package lists", &["update"]).advice(by_hand(missing)).run()?;
    let install = [&["install", "-y", "--no-install-recommends"], packages.as_slice()].concat();
    say(format_args!("Debian's packages of the test browsers: {}", packages.join(" ")));
    apt("apt packages", &install).advice(by_hand(missing)).run()?;
    Ok(())
}

/// The program that makes us root: none if we are, an error if we cannot be. Asks for a password where a person can
/// answer.
fn sudo(missing: &[&Program]) -> Result<Option<&'static str>> {
    if nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let granted = if stdin().is_terminal() && env::var_os("CI").is_none() {
        // In the terminal's foreground, unlike a step, so that it can ask.
        Command::new("sudo").arg("-v").status().is_ok_and(|status| status.success())
    } else {
        answer("sudo", &["-n", "true"]).is_some()
    };
    if granted { Ok(Some("sudo")) } else { bail!("{}", by_hand(missing)) }
}

fn by_hand(missing: &[&Program]) -> String {
    let programs: Vec<String> = missing.iter().map(|program| program.names.join(" or ")).collect();
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    let programs = programs.join(", ");
    if Path::new("/etc/debian_version").exists() {
        return format!("missing: {programs}. As root: apt-get install {}", packages.join(" "));
    }
    format!("install these so that they are found on PATH, then run this again: {programs}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_install_by_hand_names_every_missing_program() {
        let missing: Vec<&Program> = Browser::WebKit.programs().iter().collect();
        let text = by_hand(&missing);
        for program in ["WebKitWebDriver", "xvfb-run", "xauth"] {
            assert!(text.contains(program), "{text}");
        }
    }
}
