//! JSON text read into shapes.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::{Error, float, special};

/// Levels of arrays and objects. More is no data of an app's, and would not fit on the stack.
const DEPTH_MAX: u8 = 128;

/// The value that a text says.
pub fn from_str<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, Error> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let read = T::deserialize(&mut reader).and_then(|value| match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.unexpected("the end")),
    });
    read.map_err(|Error(message)| Error(format!("{message} at byte {}", reader.at)))
}

/// A text without its escapes; `None` where one is none that there is, or halves a pair of surrogates, or where one is missing.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.push_str(before);
        let letter = escape.chars().next()?;
        rest = &escape[letter.len_utf8()..];
        plain.push(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = unit(&mut rest)?;
                if matches!(unit, 0xd800..0xdc00) {
                    rest = rest.strip_prefix("\\u")?;
                    char::decode_utf16([unit, self::unit(&mut rest)?]).next()?.ok()?
                } else {
                    char::from_u32(unit.into())?
                }
            }
            _ => return None,
        });
    }
    plain.push_str(rest);
    (!text.bytes().any(|byte| byte < 0x20)).then_some(plain)
}

/// Four hexadecimal digits.
fn unit(rest: &mut &str) -> Option<u16> {
    let (digits, after) = rest.split_at_checked(4)?;
    *rest = after;
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    are_digits.then(|| u16::from_str_radix(digits, 16).ok())?
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: u8,
}

impl<'t> Reader<'t> {
    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r')).count();
        self.at += blanks;
        rest.get(blanks).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected(&format!("`{}`", char::from(byte))))
    }

    #[cold]
    fn unexpected(&mut self, wanted: &str) -> Error {
        let found = self.peek().map_or("the end", |byte| match byte {
            b'"' => "a text",
            b'{' => "an object",
            b'[' => "an array",
            b't' | b'f' => "a boolean",
            b'n' => "null",
            b'-' | b'0'..=b'9' => "a number",
            _ => "something else",
        });
        Error(format!("expected {wanted}, found {found}"))
    }

    /// One of the words of JSON, if it is next.
    fn word(&mut self, word: &str) -> bool {
        self.peek();
        let is_next = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    fn string(&mut self) -> Result<Cow<'t, str>, Error> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a text"));
        }
        let begin = self.at;
        let bytes = self.text.as_bytes();
        let (mut at, mut is_plain) = (begin + 1, true);
        loop {
            at = bytes.get(at..).and_then(special).map_or(bytes.len(), |plain| at + plain);
            match bytes.get(at) {
                Some(b'"') => break,
                // What follows is no end.
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return Err(Error("a text does not end".to_owned())),
            }
            is_plain = false;
        }
        self.at = at + 1;
        if is_plain {
            return Ok(Cow::Borrowed(&self.text[begin + 1..at]));
        }
        let text = &self.text[begin + 1..at];
        unescaped(text).map(Cow::Owned).ok_or_else(|| Error("a text holds what it cannot".to_owned()))
    }

    fn number(&mut self) -> Result<Number, Error> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.unexpected("a number"));
        }
        let rest = &self.text[self.at..];
        let len = rest
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let number = &rest[..len];
        let digits = number.strip_prefix('-').unwrap_or(number);
        let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'))
            && number != "-0";
        let whole = is_whole.then(|| match number.parse() {
            Ok(natural) => Some(Number::Natural(natural)),
            Err(_) => number.parse().ok().map(Number::Integer),
        });
        let number = match whole.flatten() {
            Some(whole) => whole,
            None => Number::Float(
                float::read(number).ok_or_else(|| Error("a number is none, or too great".to_owned()))?,
            ),
        };
        self.at += len;
        Ok(number)
    }

    fn boolean(&mut self) -> Result<bool, Error> {
        if self.word("true") {
            Ok(true)
        } else if self.word("false") {
            Ok(false)
        } else {
            Err(self.unexpected("a boolean"))
        }
    }

    /// Passes over a value.
    fn skip(&mut self) -> Result<(), Error> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => {
                let mut members = self.begin(b'{')?;
                while members.next(b'}')? {
                    members.reader.string()?;
                    members.reader.expect(b':')?;
                    members.reader.skip()?;
                }
                Ok(())
            }
            Some(b'[') => {
                let mut members = self.begin(b'[')?;
                while members.next(b']')? {
                    members.reader.skip()?;
                }
                Ok(())
            }
            Some(b't' | b'f') => self.boolean().map(drop),
            Some(b'n') if self.word("null") => Ok(()),
            _ => self.number().map(drop),
        }
    }

    fn begin(&mut self, open: u8) -> Result<Members<'_, 't>, Error> {
        self.expect(open)?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error(format!("it is more than {DEPTH_MAX} levels deep")));
        }
        Ok(Members { reader: self, is_first: true, has_ended: false })
    }
}

enum Number {
    Natural(u64),
    Integer(i64),
    Float(f64),
}

/// What an array or an object holds.
struct Members<'r, 't> {
    reader: &'r mut Reader<'t>,
    is_first: bool,
    has_ended: bool,
}

impl Members<'_, '_> {
    /// Whether another one comes. At the end, what closes it is read too.
    fn next(&mut self, close: u8) -> Result<bool, Error> {
        if self.has_ended {
            return Ok(false);
        }
        if self.reader.peek() == Some(close) {
            self.reader.at += 1;
            self.reader.depth -= 1;
            self.has_ended = true;
            return Ok(false);
        }
        if !std::mem::take(&mut self.is_first) {
            self.reader.expect(b',')?;
        }
        Ok(true)
    }

    /// Nothing may follow what was asked for.
    fn end(mut self, close: u8) -> Result<(), Error> {
        if self.next(close)? { Err(self.reader.unexpected("the end of an array")) } else { Ok(()) }
    }
}

impl<'t> SeqAccess<'t> for Members<'_, 't> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if self.next(b']')? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'t> MapAccess<'t> for Members<'_, 't> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if self.next(b'}')? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, Error> {
        self.reader.expect(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}

impl<'t> Deserializer<'t> for &mut Reader<'t> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'"') => self.deserialize_str(visitor),
            Some(b'{') => self.deserialize_map(visitor),
            Some(b'[') => self.deserialize_seq(visitor),
            Some(b't' | b'f') => self.deserialize_bool(visitor),
            Some(b'n') => self.deserialize_unit(visitor),
            _ => self.deserialize_f64(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.string()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(&self.string()?)
    }

    fn deserialize_f64<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.number()? {
            Number::Natural(number) => visitor.visit_u64(number),
            Number::Integer(number) => visitor.visit_i64(number),
            Number::Float(number) => visitor.visit_f64(number),
        }
    }

    fn deserialize_u64<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.number()? {
            Number::Natural(number) => visitor.visit_u64(number),
            Number::Integer(_) | Number::Float(_) => Err(Error("expected a natural number".to_owned())),
        }
    }

    fn deserialize_u32<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_i64<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_bool<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_unit<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.word("null") { visitor.visit_unit() } else { Err(self.unexpected("null")) }
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.word("null") { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut members = self.begin(b'[')?;
        let value = visitor.visit_seq(&mut members)?;
        members.end(b']')?;
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'t>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self.begin(b'{')?)
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    /// A name, or an object of one member: the name and what belongs to it.
    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.peek() == Some(b'"') {
            return visitor.visit_enum(Variant { reader: self, has_content: false });
        }
        self.expect(b'{')?;
        let value = visitor.visit_enum(Variant { reader: &mut *self, has_content: true })?;
        self.expect(b'}')?;
        Ok(value)
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { <V: Visitor<'t>> i8 i16 i32 i128 u8 u16 u128 f32 char bytes byte_buf unit_struct }
}

struct Variant<'r, 't> {
    reader: &'r mut Reader<'t>,
    has_content: bool,
}

impl<'t> EnumAccess<'t> for Variant<'_, 't> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'t>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let name = seed.deserialize(&mut *self.reader)?;
        if self.has_content {
            self.reader.expect(b':')?;
        }
        Ok((name, self))
    }
}

impl<'t> VariantAccess<'t> for Variant<'_, 't> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if !self.has_content || self.reader.word("null") {
            Ok(())
        } else {
            Err(self.reader.unexpected("null"))
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'t>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'t>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.reader.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'t>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.reader.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::tests::any_value;
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    enum Kind {
        Plain,
        One(u32),
        Two(u32, String),
        Named { a: Option<i64> },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Shape {
        kinds: Vec<Kind>,
        #[serde(default)]
        ratio: f64,
        name: Option<String>,
    }

    #[test]
    fn shapes_are_read_as_serde_json_reads_them() {
        let good = [
            r#"{"kinds":["Plain",{"One":7},{"Two":[1,"x"]},{"Named":{"a":-3}},{"Plain":null}],"name":null}"#,
            r#" { "name" : "a\n\u00e9\ud83d\ude00" , "kinds" : [ ] , "else" : [ {"x":[1,true,null]} , "" ] , "ratio" : 1 } "#,
            r#"{"kinds":[{"Named":{}}],"ratio":-1.5e-7,"name":"\"\\"}"#,
        ];
        for text in good {
            assert_eq!(
                from_str::<Shape>(text).unwrap(),
                serde_json::from_str::<Shape>(text).unwrap(),
                "{text}"
            );
        }
        let bad = [
            "",
            "{",
            "[]",
            r#"{"kinds":[]"#,
            r#"{"kinds":[]} x"#,
            r#"{"kinds":["None"]}"#,
            r#"{"kinds":[{"One":-1}]}"#,
            r#"{"kinds":[{"One":1.5}]}"#,
            r#"{"kinds":[{"One":4294967296}]}"#,
            r#"{"kinds":[{"Two":[1]}]}"#,
            r#"{"kinds":[{"Two":[1,"x",2]}]}"#,
            r#"{"kinds":[{"Named":{"a":1},"Plain":null}]}"#,
            r#"{"kinds":["Plain" "Plain"]}"#,
            r#"{"kinds":[],"kinds":[]}"#,
            r#"{"name":"x"}"#,
            r#"{"kinds":[],"name":7}"#,
        ];
        for text in bad {
            assert!(serde_json::from_str::<Shape>(text).is_err(), "{text}");
            assert!(from_str::<Shape>(text).is_err(), "{text}");
        }
        let error = from_str::<Shape>(r#"{"kinds":[],"name":7}"#).unwrap_err();
        assert_eq!(error.to_string(), "expected a text, found a number at byte 19");
    }

    #[test]
    fn what_is_no_json_is_no_value() {
        let bad = [
            "01",
            "-",
            "1.",
            ".5",
            "+1",
            "1e",
            "--1",
            "1-2",
            "nul",
            "tru",
            "[1,]",
            "[,1]",
            "{\"a\":1,}",
            "{,}",
            "{a:1}",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\u{1}\"",
            "\"a",
            "\"\\",
            "1 2",
            "[1 2]",
            "\u{a0}1",
        ];
        for text in bad {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
            assert!(from_str::<Value>(text).is_err(), "{text}");
        }
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(from_str::<Value>(&deep(127)).is_ok());
        assert!(from_str::<Value>(&deep(129)).is_err());
        assert!(from_str::<serde::de::IgnoredAny>(&deep(100_000)).is_err());
        // What is left behind on one level counts on none.
        assert!(from_str::<Value>(&format!("[{}]", vec![deep(3); 200].join(","))).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in any_value(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            prop_assert_eq!(from_str::<Value>(&text.unwrap()), Ok(value));
        }

        #[test]
        fn any_text_is_read_as_serde_json_reads_it(text in r#"[-+0-9.eE{}\[\]",: a\\untrfls]{0,12}"#) {
            prop_assert_eq!(from_str::<Value>(&text).ok(), serde_json::from_str::<Value>(&text).ok());
        }
    }
}
