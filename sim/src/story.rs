//! The story of a record: everything that happened to it, in order.

use std::collections::BTreeSet;

use crate::journal::Line;

/// The lines that tell of these records and mutations, and of what they turned out to be the same as: a record's
/// mutations, a temporary id's server id. Crashes and what else befalls a whole place are told where they happen between
/// two of them.
#[must_use]
pub fn story(lines: &[Line], subjects: &[String]) -> Vec<Line> {
    let mut known: BTreeSet<String> =
        subjects.iter().filter(|subject| is_telling(subject)).cloned().collect();
    // What is written or mapped names both: follow it until nothing new is learnt.
    loop {
        let before = known.len();
        for line in lines.iter().filter(|line| joins(&line.what)) {
            let words: Vec<&str> = ids(&line.what).collect();
            if words.iter().any(|word| known.contains(*word)) {
                known.extend(words.into_iter().filter(|word| is_telling(word)).map(str::to_owned));
            }
        }
        if known.len() == before {
            break;
        }
    }
    let is_about = |line: &Line| ids(&line.what).any(|word| known.contains(word));
    let is_general = |line: &Line| line.what.starts_with('*') || line.what.starts_with("BROKEN");
    let first = lines.iter().position(is_about).unwrap_or(lines.len());
    lines.iter().skip(first).filter(|line| is_about(line) || is_general(line)).cloned().collect()
}

/// Lines that say that two ids belong together.
fn joins(what: &str) -> bool {
    what.starts_with("born ") || what.starts_with("mapped ")
}

fn ids(what: &str) -> impl Iterator<Item = &str> {
    what.split([' ', ',', ':', '(', ')', '"', '[', ']']).filter(|word| !word.is_empty())
}

/// A server id is told with its table (`tasks/7`), so that it is no other number.
fn is_telling(word: &str) -> bool {
    word.contains('/') || word.len() > 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_ms: u64, what: &str) -> Line {
        Line { at_ms, place: "here".into(), what: what.into() }
    }

    #[test]
    fn a_story_follows_a_record_through_its_names_and_leaves_others_out() {
        let lines = [
            line(1, "born mutation-a create tasks/temp_1"),
            line(2, "born mutation-b create tasks/temp_2"),
            line(3, "* crash"),
            line(4, "mapped tasks/temp_1 to tasks/7"),
            line(5, "committed tasks/7 at version 2"),
            line(6, "committed tasks/8 at version 1"),
        ];
        let told: Vec<u64> = story(&lines, &["tasks/7".into()]).iter().map(|line| line.at_ms).collect();
        assert_eq!(told, [1, 3, 4, 5]);
    }
}
