//! The lines that two texts have in common, in order: as many as there can be.
//!
//! Myers: An O(ND) Difference Algorithm and Its Variations (1986), the variant in linear space. Two searches meet, one from the
//! beginning and one from the end, and where they meet the texts are divided. Written out here since a library for it is nine kilobytes
//! of what a page loads.

use rustc_hash::FxHashMap;

/// Pairs of places of lines that are alike, in order.
pub(super) fn common_lines(one: &[&str], other: &[&str]) -> Vec<(usize, usize)> {
    let mut numbers: FxHashMap<&str, (usize, bool)> = FxHashMap::default();
    for line in one {
        let next = numbers.len();
        numbers.entry(line).or_insert((next, false));
    }
    for line in other {
        if let Some((_, shared)) = numbers.get_mut(line) {
            *shared = true;
        }
    }
    // What one side alone has is no part of the search: two texts that have little in common would make it slow.
    let shared = |lines: &[&str]| -> Vec<(usize, usize)> {
        let number =
            |line: &&str| numbers.get(*line).filter(|(_, shared)| *shared).map(|(number, _)| *number);
        lines.iter().enumerate().filter_map(|(at, line)| Some((at, number(line)?))).collect()
    };
    let (one, other) = (shared(one), shared(other));
    let reach = one.len() + other.len() + 3;
    let mut search = Search {
        one: &one,
        other: &other,
        forward: Furthest::new(reach),
        backward: Furthest::new(reach),
        common: Vec::new(),
    };
    search.divide((0, 0), (one.len(), other.len()));
    search.common
}

/// A place in the one, and one in the other.
type Point = (usize, usize);

struct Search<'l> {
    /// Each line's place in its text, and its number.
    one: &'l [(usize, usize)],
    other: &'l [(usize, usize)],
    forward: Furthest,
    backward: Furthest,
    common: Vec<(usize, usize)>,
}

impl Search<'_> {
    fn is_common(&self, one: usize, other: usize) -> bool {
        self.one[one].1 == self.other[other].1
    }

    fn divide(&mut self, mut from: Point, mut to: Point) {
        while from.0 < to.0 && from.1 < to.1 && self.is_common(from.0, from.1) {
            self.common.push((self.one[from.0].0, self.other[from.1].0));
            from = (from.0 + 1, from.1 + 1);
        }
        let end = to;
        while from.0 < to.0 && from.1 < to.1 && self.is_common(to.0 - 1, to.1 - 1) {
            to = (to.0 - 1, to.1 - 1);
        }
        if from.0 < to.0 && from.1 < to.1 {
            let middle = self.middle(from, to);
            self.divide(from, middle);
            self.divide(middle, to);
        }
        for back in (1..=end.0 - to.0).rev() {
            self.common.push((self.one[end.0 - back].0, self.other[end.1 - back].0));
        }
    }

    /// A point on a shortest way from one corner to the other, and neither of them. The lines next to both corners differ.
    fn middle(&mut self, from: Point, to: Point) -> Point {
        let (width, height) = (to.0 - from.0, to.1 - from.1);
        let delta = width.cast_signed() - height.cast_signed();
        let is_odd = delta % 2 != 0;
        self.forward.begin();
        self.backward.begin();
        let mut steps = 0;
        loop {
            for diagonal in (-steps..=steps).step_by(2) {
                let (mut x, mut y) = self.forward.next(diagonal, steps);
                while x < width && y < height && self.is_common(from.0 + x, from.1 + y) {
                    (x, y) = (x + 1, y + 1);
                }
                self.forward.set(diagonal, x);
                let opposite = delta - diagonal;
                if is_odd
                    && opposite.abs() < steps
                    && x <= width
                    && y <= height
                    && x + self.backward.get(opposite) >= width
                {
                    return (from.0 + x, from.1 + y);
                }
            }
            for diagonal in (-steps..=steps).step_by(2) {
                let (mut x, mut y) = self.backward.next(diagonal, steps);
                while x < width && y < height && self.is_common(to.0 - 1 - x, to.1 - 1 - y) {
                    (x, y) = (x + 1, y + 1);
                }
                self.backward.set(diagonal, x);
                let opposite = delta - diagonal;
                if !is_odd
                    && opposite.abs() <= steps
                    && x <= width
                    && y <= height
                    && x + self.forward.get(opposite) >= width
                {
                    return (to.0 - x, to.1 - y);
                }
            }
            steps += 1;
        }
    }
}

/// How far a search has come on each diagonal.
struct Furthest {
    x: Vec<usize>,
    zero: isize,
}

impl Furthest {
    fn new(reach: usize) -> Self {
        Self { x: vec![0; 2 * reach + 1], zero: reach.cast_signed() }
    }

    fn place(&self, diagonal: isize) -> usize {
        (self.zero + diagonal).cast_unsigned()
    }

    /// What is left of the search before needs no clearing: none reads what it has not written, but for this.
    fn begin(&mut self) {
        self.set(1, 0);
    }

    fn get(&self, diagonal: isize) -> usize {
        self.x[self.place(diagonal)]
    }

    fn set(&mut self, diagonal: isize, x: usize) {
        let place = self.place(diagonal);
        self.x[place] = x;
    }

    /// Where the next step on a diagonal leads: from the neighbour that has come further.
    fn next(&self, diagonal: isize, steps: isize) -> Point {
        let is_down =
            diagonal == -steps || (diagonal != steps && self.get(diagonal - 1) < self.get(diagonal + 1));
        let x = if is_down { self.get(diagonal + 1) } else { self.get(diagonal - 1) + 1 };
        (x, (x.cast_signed() - diagonal).cast_unsigned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many lines can be common, by the table that everybody would write down.
    fn most(one: &[&str], other: &[&str]) -> usize {
        let mut above = vec![0; other.len() + 1];
        for line in one {
            let mut row = vec![0; other.len() + 1];
            for (at, candidate) in other.iter().enumerate() {
                row[at + 1] = if line == candidate { above[at] + 1 } else { row[at].max(above[at + 1]) };
            }
            above = row;
        }
        above[other.len()]
    }

    fn text() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d", "e"]), 0..40)
    }

    proptest! {
        #[test]
        fn it_finds_as_many_as_there_are(one in text(), mut other in text(), only in any::<prop::sample::Index>()) {
            // A line that one side alone has.
            other.insert(only.index(other.len() + 1), "x");
            let common = common_lines(&one, &other);
            prop_assert!(common.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
            prop_assert!(common.iter().all(|(at, place)| one[*at] == other[*place]));
            prop_assert_eq!(common.len(), most(&one, &other));
        }
    }

    #[test]
    fn long_texts_with_nothing_and_with_all_in_common_are_quick() {
        let lines: Vec<String> = (0..40_000).map(|number| number.to_string()).collect();
        let (one, other): (Vec<&str>, Vec<&str>) = (
            lines[..20_000].iter().map(String::as_str).collect(),
            lines[20_000..].iter().map(String::as_str).collect(),
        );
        assert_eq!(common_lines(&one, &other), []);
        assert_eq!(common_lines(&one, &one).len(), 20_000);
    }
}
