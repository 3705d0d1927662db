//! Columns of a run as texts: its ids, or its numbers. A list of a thousand is a thousand values to read; a text is one, and what takes it
//! apart is a loop over its bytes, which is quick in a browser that has not yet compiled anything well.
//!
//! Older releases wrote lists, and those are read too.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::entry::Id;

/// Lies between two of them. Neither a server's ids nor ours hold one, but some server's may: those are written as a list.
const BETWEEN: char = ' ';

/// Ids, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ids(pub(super) Vec<Id>);

/// Natural numbers, in their order: as text the first one, and of each other how much it is more than the one before. Versions
/// and times of a run are near each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers(pub(super) Vec<u64>);

impl Serialize for Ids {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() || self.0.iter().any(|id| id.contains(BETWEEN)) {
            return self.0.serialize(serializer);
        }
        let mut text = String::with_capacity(self.0.iter().map(|id| id.len() + 1).sum());
        for (at, id) in self.0.iter().enumerate() {
            if at > 0 {
                text.push(BETWEEN);
            }
            text.push_str(id);
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Column(PhantomData)).map(Self)
    }
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            return self.0.serialize(serializer);
        }
        let mut text = String::new();
        let mut before = 0_u64;
        for number in &self.0 {
            if !text.is_empty() {
                text.push(BETWEEN);
            }
            push(&mut text, number.wrapping_sub(before));
            before = *number;
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Column(PhantomData)).map(Self)
    }
}

/// A difference, modulo 2^64, the shorter way round.
fn push(text: &mut String, difference: u64) {
    let back = difference.wrapping_neg();
    if back < difference {
        text.push('-');
    }
    let mut left = back.min(difference);
    // As many digits as a number can have.
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        // Below ten.
        digits[first] += u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    text.push_str(std::str::from_utf8(&digits[first..]).unwrap_or_default());
}

/// Reads a column, from its text or as a list.
struct Column<T>(PhantomData<T>);

impl<'de, T: Element> de::Visitor<'de> for Column<T> {
    type Value = Vec<T>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a column")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        T::column(text).ok_or_else(|| E::custom("a column of numbers holds something else"))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut column = Vec::new();
        while let Some(element) = list.next_element::<T::Listed>()? {
            column.push(T::of(element));
        }
        Ok(column)
    }
}

/// What a column holds.
trait Element: Sized {
    /// As what it stands in a list.
    type Listed: for<'de> Deserialize<'de>;

    fn of(listed: Self::Listed) -> Self;

    /// Those of a text, if it is one of them.
    fn column(text: &str) -> Option<Vec<Self>>;
}

impl Element for Id {
    type Listed = String;

    fn of(listed: String) -> Self {
        listed.into()
    }

    fn column(text: &str) -> Option<Vec<Self>> {
        let mut ids = Vec::with_capacity(1 + text.bytes().filter(|byte| *byte == BETWEEN as u8).count());
        ids.extend(text.split(BETWEEN).map(Self::from));
        Some(ids)
    }
}

impl Element for u64 {
    type Listed = Self;

    fn of(listed: Self) -> Self {
        listed
    }

    fn column(text: &str) -> Option<Vec<Self>> {
        let mut numbers = Vec::with_capacity(text.len() / 2 + 1);
        let (mut before, mut more, mut is_less, mut is_empty) = (0_u64, 0_u64, false, true);
        for byte in text.bytes().chain([BETWEEN as u8]) {
            match byte {
                b'0'..=b'9' => {
                    more = more.checked_mul(10)?.checked_add(Self::from(byte - b'0'))?;
                    is_empty = false;
                }
                b'-' if is_empty && !is_less => is_less = true,
                b' ' if !is_empty => {
                    before = if is_less { before.wrapping_sub(more) } else { before.wrapping_add(more) };
                    numbers.push(before);
                    (more, is_less, is_empty) = (0, false, true);
                }
                _ => return None,
            }
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json;

    fn ids(ids: &[&str]) -> Ids {
        Ids(ids.iter().map(|id| Id::from(*id)).collect())
    }

    fn text<T: Serialize>(column: &T) -> String {
        serde_json::to_string(column).unwrap()
    }

    #[test]
    fn a_column_is_one_text_and_a_list_is_read_too() {
        assert_eq!(text(&ids(&["7", "12"])), r#""7 12""#);
        assert_eq!(json::from_str::<Ids>(r#"["7","12"]"#).unwrap(), ids(&["7", "12"]));
        let numbers = Numbers(vec![1_700_000_000_000, 1_700_000_000_005, 1_700_000_000_005, 3]);
        assert_eq!(text(&numbers), r#""1700000000000 5 0 -1700000000002""#);
        let list = "[1700000000000,1700000000005,1700000000005,3]";
        assert_eq!(json::from_str::<Numbers>(list).unwrap(), numbers);
    }

    #[test]
    fn ids_that_no_text_can_tell_apart_are_a_list() {
        assert_eq!(text(&ids(&["7", "a b"])), r#"["7","a b"]"#);
        assert_eq!(text(&ids(&[])), "[]");
        assert_eq!(json::from_str::<Ids>(&text(&ids(&[""]))).unwrap(), ids(&[""]));
    }

    #[test]
    fn what_is_no_column_is_refused() {
        for text in [
            r#""1 x""#,
            r#""1  2""#,
            r#""-""#,
            r#""1-2""#,
            r#""--1""#,
            r#""99999999999999999999999""#,
            "7",
            "{}",
        ] {
            assert!(json::from_str::<Numbers>(text).is_err(), "{text}");
        }
        assert!(json::from_str::<Ids>("[1]").is_err());
    }

    proptest! {
        #[test]
        fn a_column_comes_back_as_it_was(numbers in proptest::collection::vec(any::<u64>(), 0..20), names in proptest::collection::vec(".{0,5}", 0..20)) {
            let column = Numbers(numbers);
            prop_assert_eq!(&json::from_str::<Numbers>(&text(&column)).unwrap(), &column);
            let column = Ids(names.into_iter().map(Id::from).collect());
            prop_assert_eq!(&json::from_str::<Ids>(&text(&column)).unwrap(), &column);
        }
    }
}
