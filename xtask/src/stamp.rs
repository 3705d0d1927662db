//! What makes a second run take seconds: a step is skipped when neither what it reads nor what it wrote has changed.
//!
//! A stamp holds a fingerprint of a step's inputs and one of its outputs, both by content. Modification times were not
//! used: a checkout or a copy renews them all, and an output that somebody deleted or edited would go unseen.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::layout;

/// A step's inputs and outputs. Folders are read whole, without what a build or an installation puts in them.
pub(crate) struct Stamp {
    name: &'static str,
    inputs: Vec<PathBuf>,
    outputs: Vec<PathBuf>,
    facts: Vec<String>,
}

/// Folders beside sources that hold what a build made.
const BUILT: [&str; 3] = ["pkg/dist", "pkg/wasm", "www/dist"];

impl Stamp {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, inputs: Vec::new(), outputs: Vec::new(), facts: Vec::new() }
    }

    /// Adds files or folders that the step reads. A path that does not exist counts as absent.
    pub(crate) fn reads(mut self, paths: &[&str]) -> Self {
        self.inputs.extend(paths.iter().map(|path| layout::root().join(path)));
        self
    }

    /// Adds files or folders that the step writes.
    pub(crate) fn writes(mut self, paths: &[&str]) -> Self {
        self.outputs.extend(paths.iter().map(|path| layout::root().join(path)));
        self
    }

    /// Adds something else that the result depends on, such as a tool's version.
    pub(crate) fn depends_on(mut self, fact: impl Into<String>) -> Self {
        self.facts.push(fact.into());
        self
    }

    /// Whether the step was done with these inputs and its outputs are as it left them.
    pub(crate) fn is_fresh(&self) -> bool {
        let Ok(kept) = fs::read_to_string(self.file()) else { return false };
        self.outputs.iter().all(|path| path.exists()) && self.text().is_ok_and(|now| now == kept)
    }

    /// Records that the step is done.
    pub(crate) fn renew(&self) -> Result<()> {
        let file = self.file();
        fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        fs::write(&file, self.text()?).with_context(|| format!("cannot write {}", file.display()))
    }

    fn file(&self) -> PathBuf {
        layout::records().join("stamps").join(self.name)
    }

    fn text(&self) -> Result<String> {
        let inputs = fingerprint(&self.inputs, &self.facts)?;
        let outputs = fingerprint(&self.outputs, &[])?;
        Ok(format!("{inputs:016x} {outputs:016x}\n"))
    }
}

/// One number for the content of files and folders. It differs from one Rust release to the next, which only costs a
/// rebuild.
fn fingerprint(paths: &[PathBuf], facts: &[String]) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    facts.hash(&mut hasher);
    for path in paths {
        for file in files(path)? {
            let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            file.hash(&mut hasher);
            content.hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}

/// The files at or below `path` in a fixed order, without what a build or npm put there; a built folder that is itself
/// asked for is read whole.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut entries = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        let generated = entry.ends_with("node_modules") || BUILT.iter().any(|built| entry.ends_with(built));
        // A dangling link (an editor's lock file) is no input.
        if !generated && entry.exists() {
            found.extend(files(&entry)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_follows_content_names_and_facts_but_not_generated_folders() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("landfall-stamp-{}", std::process::id()));
        fs::create_dir_all(folder.join("src"))?;
        fs::create_dir_all(folder.join("node_modules"))?;
        fs::write(folder.join("src/a.ts"), "one")?;
        let paths = [folder.clone()];
        let first = fingerprint(&paths, &[])?;

        fs::write(folder.join("node_modules/b.js"), "ignored")?;
        assert_eq!(fingerprint(&paths, &[])?, first);

        assert_ne!(fingerprint(&paths, &["tool 2".to_owned()])?, first);

        fs::write(folder.join("src/a.ts"), "two")?;
        let second = fingerprint(&paths, &[])?;
        assert_ne!(second, first);

        fs::rename(folder.join("src/a.ts"), folder.join("src/c.ts"))?;
        assert_ne!(fingerprint(&paths, &[])?, second);

        fs::remove_dir_all(folder)?;
        Ok(())
    }
}
