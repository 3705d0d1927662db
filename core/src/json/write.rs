//! Shapes written as JSON text, with places in it for what is held elsewhere.

use std::fmt::Write as _;

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{Error, special};

/// What stands on both sides of a number that says what is to come in its place. JSON has no such character: in a text it is escaped.
pub const MARK: char = '\u{1}';

/// A newtype of this name is no value but the number of one that is held elsewhere: it is written between two [marks](MARK).
pub const HELD: &str = "landfall::held";

/// The text that says a value.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    let mut writer = Writer { text: String::new() };
    value.serialize(&mut writer)?;
    Ok(writer.text)
}

struct Writer {
    text: String,
}

impl Writer {
    fn string(&mut self, text: &str) {
        self.text.push('"');
        let mut rest = text;
        while let Some(at) = special(rest.as_bytes()) {
            self.text.push_str(&rest[..at]);
            let byte = rest.as_bytes()[at];
            let letter = match byte {
                b'"' | b'\\' => char::from(byte),
                b'\n' => 'n',
                b'\r' => 'r',
                b'\t' => 't',
                8 => 'b',
                12 => 'f',
                _ => 'u',
            };
            self.text.push('\\');
            self.text.push(letter);
            if letter == 'u' {
                let _ = write!(self.text, "{byte:04x}");
            }
            rest = &rest[at + 1..];
        }
        self.text.push_str(rest);
        self.text.push('"');
    }

    /// The standard library's way to write a number goes through more code than this one has.
    fn natural(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut begin = digits.len();
        loop {
            begin -= 1;
            digits[begin] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.text.push_str(std::str::from_utf8(&digits[begin..]).unwrap_or_default());
    }

    fn begin(&mut self, open: char, close: &'static str) -> Members<'_> {
        self.text.push(open);
        Members { writer: self, is_first: true, close }
    }

    /// An object of one member: the variant, and what belongs to it.
    fn begin_variant(&mut self, variant: &str, open: char, close: &'static str) -> Members<'_> {
        self.text.push('{');
        self.string(variant);
        self.text.push(':');
        self.begin(open, close)
    }
}

impl<'w> Serializer for &'w mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Members<'w>;
    type SerializeTuple = Members<'w>;
    type SerializeTupleStruct = Members<'w>;
    type SerializeTupleVariant = Members<'w>;
    type SerializeMap = Members<'w>;
    type SerializeStruct = Members<'w>;
    type SerializeStructVariant = Members<'w>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.text.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        if value < 0 {
            self.text.push('-');
        }
        self.natural(value.unsigned_abs());
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.natural(value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.serialize_f64(value.into())
    }

    /// As JavaScript writes it: what is no number is `null`.
    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        if !value.is_finite() {
            return self.serialize_unit();
        }
        self.text.push_str(ryu_js::Buffer::new().format_finite(value));
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.string(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.string(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.text.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        if name != HELD {
            return value.serialize(self);
        }
        self.text.push(MARK);
        value.serialize(&mut *self)?;
        self.text.push(MARK);
        Ok(())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut members = self.begin('{', "}");
        members.member(variant, value)?;
        members.finish();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'w>, Error> {
        Ok(self.begin('[', "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Members<'w>, Error> {
        Ok(self.begin('[', "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Members<'w>, Error> {
        Ok(self.begin('[', "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'w>, Error> {
        Ok(self.begin_variant(variant, '[', "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'w>, Error> {
        Ok(self.begin('{', "}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'w>, Error> {
        Ok(self.begin('{', "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'w>, Error> {
        Ok(self.begin_variant(variant, '{', "}}"))
    }
}

/// What an array or an object holds.
struct Members<'w> {
    writer: &'w mut Writer,
    is_first: bool,
    close: &'static str,
}

impl Members<'_> {
    fn next(&mut self) -> &mut Writer {
        if !std::mem::take(&mut self.is_first) {
            self.writer.text.push(',');
        }
        self.writer
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(self.next())
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        let writer = self.next();
        writer.string(name);
        writer.text.push(':');
        value.serialize(writer)
    }

    fn finish(self) {
        self.writer.text.push_str(self.close);
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident),*) => {$(
        impl $trait for Members<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
}

macro_rules! members {
    ($($trait:ident),*) => {$(
        impl $trait for Members<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
                self.member(name, value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

members! { SerializeStruct, SerializeStructVariant }

impl SerializeMap for Members<'_> {
    type Ok = ();
    type Error = Error;

    /// A key that is no text, but a number or a word, is one in quotes.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let writer = self.next();
        let begin = writer.text.len();
        key.serialize(&mut *writer)?;
        match writer.text.as_bytes().get(begin) {
            Some(b'"') => {}
            Some(b'[' | b'{') | None => return Err(Error("a key must be a text".to_owned())),
            Some(_) => {
                writer.text.insert(begin, '"');
                writer.text.push('"');
            }
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.writer.text.push(':');
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::tests::any_value;
    use super::*;
    use crate::canonical;

    #[derive(Serialize)]
    enum Kind {
        Plain,
        One(u32),
        Two(u32, String),
        Named { a: Option<i64> },
    }

    #[derive(Serialize)]
    struct Shape<'s> {
        kinds: Vec<Kind>,
        ratio: f64,
        name: Option<&'s str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<u8>,
        numbered: BTreeMap<u64, (char, bool, ())>,
        held: Option<Held>,
    }

    struct Held(u32);

    impl Serialize for Held {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_newtype_struct(HELD, &self.0)
        }
    }

    fn shape(name: Option<&str>, held: Option<Held>) -> Shape<'_> {
        let kinds = vec![
            Kind::Plain,
            Kind::One(7),
            Kind::Two(1, "x".to_owned()),
            Kind::Named { a: None },
            Kind::Named { a: Some(-3) },
        ];
        let numbered = BTreeMap::from([(1, ('\u{1}', true, ())), (9_007_199_254_740_993, ('"', false, ()))]);
        Shape { kinds, ratio: -1.5e-7, name, absent: None, numbered, held }
    }

    #[test]
    fn shapes_are_written_as_serde_json_writes_them() {
        for name in [None, Some(""), Some("a\n\u{e9}\u{1}\u{1f}\u{7f}\u{2028}👷\"\\/")] {
            let shape = shape(name, None);
            let text = to_string(&shape).unwrap();
            let read: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(read, serde_json::to_value(&shape).unwrap(), "{text}");
            assert!(!text.contains(MARK) && !text.contains(' '), "{text}");
        }
        assert_eq!(to_string(&[f64::NAN, 1.0, -0.0, 1e21, 5e-324]).unwrap(), "[null,1,0,1e+21,5e-324]");
        assert!(to_string(&BTreeMap::from([(vec![1], 1)])).is_err());
    }

    #[test]
    fn what_is_held_elsewhere_leaves_its_number() {
        let text = to_string(&shape(Some("\u{1}3\u{1}"), Some(Held(12)))).unwrap();
        let parts: Vec<&str> = text.split(MARK).collect();
        assert_eq!(parts.len(), 3);
        assert!(parts[0].ends_with(r#""held":"#));
        assert_eq!(parts[1], "12");
        assert_eq!(parts[2], "}");
        assert_eq!(to_string(&json!(null)).unwrap(), "null");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in any_value()) {
            let read: Value = serde_json::from_str(&to_string(&value).unwrap()).unwrap();
            // Whole numbers lose their fraction, as in JavaScript.
            prop_assert_eq!(canonical::text(&read), canonical::text(&value));
        }
    }
}
