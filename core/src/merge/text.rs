//! Texts that both sides changed, merged line by line.
//!
//! The lines that all three versions have in common, in order, divide them into stretches. Of a stretch that one side alone changed
//! its version counts; where both changed one, and not alike, a person decides about the text as a whole. This is what `diff3` does
//! (Khanna, Kunal, Pierce: A Formal Investigation of Diff3, 2007).

use serde_json::Value;

use super::lines::common_lines;

/// Both sides' changes in one text, if none of them meets another. Who began without a text began with an empty one.
pub(super) fn merge(base: Option<&Value>, ours: &Value, theirs: &Value) -> Option<Value> {
    let base = match base {
        None | Some(Value::Null) => "",
        Some(base) => base.as_str()?,
    };
    merge_lines(base, ours.as_str()?, theirs.as_str()?).map(Value::String)
}

fn merge_lines(base: &str, ours: &str, theirs: &str) -> Option<String> {
    let (base, ours, theirs) = (lines(base), lines(ours), lines(theirs));
    let (in_ours, in_theirs) = (counterparts(&base, &ours), counterparts(&base, &theirs));
    let mut merged: Vec<&str> = Vec::new();
    let (mut base_at, mut ours_at, mut theirs_at) = (0, 0, 0);
    // The lines that all have, and the end, which all have too.
    let common = (0..base.len()).filter_map(|at| Some((at, in_ours[at]?, in_theirs[at]?)));
    for (base_to, ours_to, theirs_to) in common.chain([(base.len(), ours.len(), theirs.len())]) {
        let stretch = (&base[base_at..base_to], &ours[ours_at..ours_to], &theirs[theirs_at..theirs_to]);
        match stretch {
            (base, ours, theirs) if ours == base || ours == theirs => merged.extend(theirs),
            (base, ours, theirs) if theirs == base => merged.extend(ours),
            _ => return None,
        }
        merged.extend(base.get(base_to));
        (base_at, ours_at, theirs_at) = (base_to + 1, ours_to + 1, theirs_to + 1);
    }
    Some(merged.join("\n"))
}

/// What stands between ends of line: so that a line at the end is the same whether one follows it or not.
fn lines(text: &str) -> Vec<&str> {
    text.split('\n').collect()
}

/// For each line of the one its place in the other, where it is kept.
fn counterparts(base: &[&str], other: &[&str]) -> Vec<Option<usize>> {
    let mut places = vec![None; base.len()];
    for (at, place) in common_lines(base, other) {
        places[at] = Some(place);
    }
    places
}
