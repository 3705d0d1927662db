//! Where things are. Every path is absolute or relative to the workspace's root, which is the working directory.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    // Not the working directory: `cargo xtask` works from any folder of the workspace.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// Cargo's target directory: `target/` unless the environment moves it.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A path as messages show it: from the root, where it is below.
pub(crate) fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The tool's own records: logs and stamps.
pub(crate) fn records() -> PathBuf {
    target().join("xtask")
}

/// Tools that this workspace pins, installed by `cargo install --root`.
pub(crate) fn tools() -> PathBuf {
    root().join(".tools")
}

pub(crate) fn tool(name: &str) -> PathBuf {
    tools().join("bin").join(name)
}

/// The sync server, built with the profile of its name.
pub(crate) fn server() -> PathBuf {
    target().join("server").join("landfall-server")
}

/// `PATH` with the workspace's tools before the machine's, so that the pinned version wins.
pub(crate) fn search_path() -> OsString {
    let ours = [tools().join("bin"), root().join("node_modules/.bin")];
    let machine = env::var_os("PATH").unwrap_or_default();
    env::join_paths(ours.into_iter().chain(env::split_paths(&machine))).unwrap_or(machine)
}

/// The first of `names` that the machine's `PATH` has.
pub(crate) fn find_program(names: &[&str]) -> Option<PathBuf> {
    let directories: Vec<_> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    // Debian keeps some of what root runs outside a user's PATH.
    let directories =
        directories.iter().map(PathBuf::as_path).chain([Path::new("/usr/sbin"), Path::new("/sbin")]);
    let directories: Vec<_> = directories.collect();
    names.iter().find_map(|name| directories.iter().map(|dir| dir.join(name)).find(|path| path.is_file()))
}
