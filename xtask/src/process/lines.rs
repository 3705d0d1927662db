//! A child's output as lines, whichever of its two streams they come from.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Lines of stdout and stderr as they come. Disconnects when both are closed.
pub(super) fn from(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        forward(stdout, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        forward(stderr, sender);
    }
    receiver
}

fn forward(stream: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        // Bytes, not `lines()`: a browser's stray byte that is not UTF-8 must not end the reading.
        while stream.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&bytes);
            // A progress bar redraws its line after a carriage return; the last state is the one to keep.
            let text = text.trim_end_matches(['\n', '\r']);
            let shown = text.rsplit('\r').next().unwrap_or(text).to_owned();
            if sender.send(shown).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

/// A line without terminal escape sequences (ECMA-48 control sequences), as logs and counts want it.
pub(crate) fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            text.push(c);
        } else if rest.next() == Some('[') {
            // Parameters run up to the final byte, which says what the sequence does.
            rest.by_ref().find(|c| ('\u{40}'..='\u{7e}').contains(c));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn colours_go_and_text_stays() {
        assert_eq!(
            plain("\u{1b}[1m\u{1b}[32mtest result\u{1b}[0m: ok. 3 passed"),
            "test result: ok. 3 passed"
        );
        assert_eq!(plain("no [brackets] lost"), "no [brackets] lost");
    }
}
