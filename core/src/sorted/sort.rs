//! A stable sort of which little is written for each type.
//!
//! `std`'s is some four kilobytes of wasm for each type and order. Where a few thousand are sorted at most, one that knows nothing but
//! places does as well.

use std::cmp::Ordering;

/// Sorts a list; what is equal stays in its order.
pub fn sort_by<T>(list: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut order = order(list.len(), &mut |one, other| compare(&list[one], &list[other]));
    // Round by round of those that take each other's places.
    for start in 0..order.len() {
        let mut at = start;
        while order[at] != start {
            let next = order[at];
            list.swap(at, next);
            order[at] = at;
            at = next;
        }
        order[at] = at;
    }
}

/// Sorts a list by what each of its members orders itself.
pub fn sort<T: Ord>(list: &mut [T]) {
    sort_by(list, Ord::cmp);
}

/// The places of so many things in order: merged from the bottom up.
fn order(len: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..len).collect();
    let mut merged: Vec<usize> = Vec::with_capacity(len);
    let mut width = 1;
    while width < len {
        for both in places.chunks(2 * width) {
            let (mut left, mut right) = both.split_at(width.min(both.len()));
            while let ([first, ..], [second, ..]) = (left, right) {
                let side = if compare(*second, *first).is_lt() { &mut right } else { &mut left };
                merged.push(side[0]);
                *side = &side[1..];
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut places, &mut merged);
        merged.clear();
        width *= 2;
    }
    places
}
