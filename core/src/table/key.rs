//! Index keys: the order of scalars, and the bytes that have the same order.
//!
//! An index compares keys far more often than it makes them, so a key is made once into bytes whose plain
//! comparison is the order of its scalars (the tuple encoding of `FoundationDB`, reduced to JSON's scalars). One
//! allocation holds the whole key, a query is two byte strings, and no comparison touches a body. A list of
//! scalars per row was the other way: an allocation for each part, and an ordering that walks enums.
//!
//! | scalar | bytes |
//! |---|---|
//! | null, false, true | `01`, `02`, `03` |
//! | number | `04`, then the eight bytes of the double, sign flipped so that they order as numbers do |
//! | string | `05`, its UTF-8 with every `00` as `00 FF`, then `00` |
//!
//! Each part ends by itself, so parts in a row order as the list of scalars does. The record's id follows as it
//! is: UTF-8 never holds `FF`, and so a prefix followed by `FF` is the first place after everything that
//! begins with the prefix.

use std::cmp::Ordering;

use crate::body::{Body, Scalar};
use crate::log::entry::{Id, Record};

const NULL: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const NUMBER: u8 = 4;
const STRING: u8 = 5;
const STRING_END: u8 = 0;

/// Greater than every byte that can follow a whole part: another part's first byte, or an id's.
pub(super) const AFTER: u8 = 0xFF;

/// A key's parts and the record's id, as bytes in the order of the index.
pub(crate) type Position = Box<[u8]>;

/// -0 is 0: JSON writes both as it likes, and they are equal to every reader.
fn number(value: f64) -> f64 {
    value + 0.0
}

/// null < false < true < numbers < strings by code point. -0 equals 0.
impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        fn rank(scalar: &Scalar) -> u8 {
            match scalar {
                Scalar::Null => NULL,
                Scalar::Boolean(false) => FALSE,
                Scalar::Boolean(true) => TRUE,
                Scalar::Number(_) => NUMBER,
                Scalar::String(_) => STRING,
            }
        }
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => number(*one).total_cmp(&number(*two)),
            // UTF-8 orders by code point. UTF-16, which JavaScript's `<` compares, does not beyond U+FFFF.
            (Self::String(one), Self::String(two)) => one.cmp(two),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

/// Appends one part.
pub(super) fn encode(scalar: &Scalar, out: &mut Vec<u8>) {
    match scalar {
        Scalar::Null => out.push(NULL),
        Scalar::Boolean(false) => out.push(FALSE),
        Scalar::Boolean(true) => out.push(TRUE),
        Scalar::Number(value) => {
            const SIGN: u64 = 1 << 63;
            let bits = number(*value).to_bits();
            let ordered = if bits & SIGN == 0 { bits | SIGN } else { !bits };
            out.push(NUMBER);
            out.extend_from_slice(&ordered.to_be_bytes());
        }
        Scalar::String(text) => {
            out.push(STRING);
            for (index, piece) in text.as_bytes().split(|byte| *byte == STRING_END).enumerate() {
                if index > 0 {
                    out.extend_from_slice(&[STRING_END, AFTER]);
                }
                out.extend_from_slice(piece);
            }
            out.push(STRING_END);
        }
    }
}

/// Makes positions in an index over `fields`; its buffer is kept from one record to the next.
pub(crate) struct Positions<'a> {
    fields: &'a [String],
    buffer: Vec<u8>,
}

impl<'a> Positions<'a> {
    /// Without fields the order is by id.
    pub(crate) fn new(fields: &'a [String]) -> Self {
        Self { fields, buffer: Vec::new() }
    }

    /// Where a record stands, or `None` if it is not in the index: it is deleted, or holds an array or an object
    /// in one of the fields.
    pub(crate) fn of<B: Body>(&mut self, id: &str, record: &Record<B>) -> Option<Position> {
        if record.deleted {
            return None;
        }
        self.buffer.clear();
        for field in self.fields {
            encode(&record.data.scalar(field)?, &mut self.buffer);
        }
        self.buffer.extend_from_slice(id.as_bytes());
        Some(self.buffer.as_slice().into())
    }
}

/// Where each of these records stands, none of which is deleted; as [`Positions::of`] says of one.
pub(super) fn positions<B: Body>(fields: &[String], rows: &[(&Id, &Record<B>)]) -> Vec<Option<Position>> {
    let bodies: Vec<&B> = rows.iter().map(|(_, record)| &record.data).collect();
    let mut places: Vec<Option<Vec<u8>>> = vec![Some(Vec::new()); rows.len()];
    for field in fields {
        for (place, scalar) in places.iter_mut().zip(B::column(&bodies, field)) {
            match (place.as_mut(), scalar) {
                (Some(place), Some(scalar)) => encode(&scalar, place),
                _ => *place = None,
            }
        }
    }
    let ended = |(place, (id, _)): (Option<Vec<u8>>, &(&Id, &Record<B>))| {
        let mut place = place?;
        place.extend_from_slice(id.as_bytes());
        Some(place.into_boxed_slice())
    };
    places.into_iter().zip(rows).map(ended).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(scalars: &[Scalar]) -> Vec<u8> {
        let mut out = Vec::new();
        for scalar in scalars {
            encode(scalar, &mut out);
        }
        out
    }

    fn ascending() -> Vec<Scalar> {
        let mut list = vec![Scalar::Null, Scalar::Boolean(false), Scalar::Boolean(true)];
        let numbers = [f64::MIN, -2.5, -2.0, -f64::MIN_POSITIVE, 0.0, 0.5, 1.0, 10.0, f64::MAX];
        list.extend(numbers.map(Scalar::Number));
        // U+FFFF is before U+1F600 by code point and after its first surrogate by UTF-16 code unit.
        let strings =
            ["", "\0", "\0\u{1}", "\u{1}", "a", "a\0", "a\0b", "a\u{1}", "aa", "é", "\u{FFFF}", "\u{1F600}"];
        list.extend(strings.map(|text| Scalar::String(text.into())));
        list
    }

    #[test]
    fn bytes_order_as_scalars_do() {
        let list = ascending();
        for (i, one) in list.iter().enumerate() {
            for (j, two) in list.iter().enumerate() {
                assert_eq!(one.cmp(two), i.cmp(&j), "{one:?} and {two:?}");
                let (one, two) = (std::slice::from_ref(one), std::slice::from_ref(two));
                assert_eq!(bytes(one).cmp(&bytes(two)), i.cmp(&j), "bytes of {one:?} and {two:?}");
            }
        }
    }

    #[test]
    fn compound_keys_order_part_by_part() {
        let list = ascending();
        let mut pairs = Vec::new();
        for one in &list {
            for two in &list {
                pairs.push([one.clone(), two.clone()]);
            }
        }
        assert!(pairs.windows(2).all(|pair| bytes(&pair[0]) < bytes(&pair[1])));
    }

    #[test]
    fn a_prefix_encloses_all_that_begins_with_it_and_nothing_else() {
        let list = ascending();
        for prefix in &list {
            let lower = bytes(std::slice::from_ref(prefix));
            let upper = [lower.as_slice(), &[AFTER]].concat();
            for first in &list {
                for second in &list {
                    for id in ["", "a", "\u{10FFFF}"] {
                        let mut position = bytes(&[first.clone(), second.clone()]);
                        position.extend_from_slice(id.as_bytes());
                        let enclosed = lower <= position && position < upper;
                        assert_eq!(enclosed, first == prefix, "{prefix:?} and {first:?}, {second:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn minus_zero_is_zero() {
        assert_eq!(Scalar::Number(-0.0), Scalar::Number(0.0));
        assert_eq!(bytes(&[Scalar::Number(-0.0)]), bytes(&[Scalar::Number(0.0)]));
    }
}
