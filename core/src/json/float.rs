//! Numbers that are no whole ones, read exactly: the nearest double, and of two that are as near the even one.
//!
//! The standard library's way is quicker for the rare number that needs more than one operation, by tables that would be a fiftieth of
//! the module. A stored number of up to 15 digits needs one; the others are divided here bit by bit.

use std::cmp::Ordering;

/// A number has no more digits that could count: twice as many bits as its exponent ranges over. What follows says only whether there is more.
const DIGITS_MAX: usize = 800;

/// The double that a number of JSON says; `None` where it is none, or there is none so great.
pub(super) fn read(text: &str) -> Option<f64> {
    let magnitude = text.strip_prefix('-');
    let value = read_magnitude(magnitude.unwrap_or(text))?;
    Some(if magnitude.is_some() { -value } else { value })
}

fn read_magnitude(text: &str) -> Option<f64> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, read_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    if !is_digits(whole) || whole.len() > 1 && whole.starts_with('0') || !fraction.is_none_or(is_digits) {
        return None;
    }
    let fraction = fraction.unwrap_or_default();
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    // The number is these digits, as a whole one, times ten to this.
    let exponent = exponent.saturating_sub_unsigned(fraction.len() as u64);
    near(digits, exponent)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What has no room in an `i64` is as good as its ends.
fn read_exponent(text: &str) -> Option<i64> {
    let is_negative = text.starts_with('-');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let exponent = is_digits(digits).then(|| digits.parse().unwrap_or(i64::MAX))?;
    Some(if is_negative { -exponent } else { exponent })
}

/// The double next to a whole number times a power of ten.
fn near(digits: &str, exponent: i64) -> Option<f64> {
    let places = i64::try_from(digits.len()).ok()?.saturating_add(exponent);
    if digits.is_empty() || places < -330 {
        return Some(0.0);
    }
    if places > 310 {
        return None;
    }
    if digits.len() <= 15 && exponent.abs() <= 22 {
        // Both are doubles, and one operation rounds once.
        let power = (0..exponent.abs()).fold(1.0, |power, _| power * 10.0);
        let value: u32 = digits[..digits.len().min(9)].parse().ok()?;
        let value = digits[digits.len().min(9)..]
            .bytes()
            .fold(f64::from(value), |value, digit| value * 10.0 + f64::from(digit - b'0'));
        return Some(if exponent < 0 { value / power } else { value * power });
    }
    let (counting, rest) = digits.split_at(digits.len().min(DIGITS_MAX));
    let mut numerator = Natural::default();
    for digit in counting.bytes() {
        numerator.grow(10, u32::from(digit - b'0'));
    }
    let mut exponent = exponent.saturating_add_unsigned(rest.len() as u64);
    if rest.bytes().any(|digit| digit != b'0') {
        numerator.grow(10, 1);
        exponent -= 1;
    }
    let mut denominator = Natural(vec![1]);
    let scaled = if exponent < 0 { &mut denominator } else { &mut numerator };
    for _ in 0..exponent.abs() {
        scaled.grow(10, 0);
    }
    quotient(numerator, denominator)
}

/// The double next to a fraction above zero.
fn quotient(mut numerator: Natural, mut denominator: Natural) -> Option<f64> {
    // Until it is at least one and less than two, times two to this.
    let mut exponent = numerator.bits() - denominator.bits();
    if exponent < 0 { &mut numerator } else { &mut denominator }.double(exponent.unsigned_abs());
    if numerator.compare(&denominator) == Ordering::Less {
        numerator.double(1);
        exponent -= 1;
    }
    if exponent > 1023 {
        return None;
    }
    // Below the normal doubles there are fewer bits.
    let bits = 53 - (-1022 - exponent).max(0);
    let mut found = 0_u64;
    for _ in 0..bits {
        found <<= 1;
        if numerator.compare(&denominator) != Ordering::Less {
            numerator.subtract(&denominator);
            found |= 1;
        }
        numerator.double(1);
    }
    // What is left, in halves of the last bit.
    let rounds_up = bits >= 0
        && match numerator.compare(&denominator) {
            Ordering::Less => false,
            Ordering::Equal => found & 1 == 1,
            Ordering::Greater => true,
        };
    found += u64::from(rounds_up);
    // A last bit carried over the first one makes the exponent one more, as it should.
    let normal = u64::try_from(exponent + 1022).map_or(0, |exponent| exponent << 52);
    Some(f64::from_bits(normal + found)).filter(|value| value.is_finite())
}

/// As great as it has to be: 32 bits each, the lowest first, and the last is not zero.
#[derive(Default)]
struct Natural(Vec<u32>);

impl Natural {
    /// Times a number, plus a number.
    fn grow(&mut self, times: u32, plus: u32) {
        let mut carry = u64::from(plus);
        for word in &mut self.0 {
            carry += u64::from(*word) * u64::from(times);
            *word = low(carry);
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(low(carry));
        }
    }

    /// Times two, so many times.
    fn double(&mut self, times: u64) {
        for _ in 0..times / 31 {
            self.grow(1 << 31, 0);
        }
        self.grow(1 << (times % 31), 0);
    }

    fn bits(&self) -> i64 {
        let highest = self.0.last().map_or(32, |word| word.leading_zeros());
        self.0.iter().fold(0, |bits, _| bits + 32) - i64::from(highest)
    }

    fn compare(&self, other: &Self) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// Less one that is not greater.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (at, word) in self.0.iter_mut().enumerate() {
            let (once, first) = word.overflowing_sub(other.0.get(at).copied().unwrap_or_default());
            let (twice, second) = once.overflowing_sub(u32::from(borrow));
            *word = twice;
            borrow = first || second;
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
fn low(word: u64) -> u32 {
    word as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::read;

    fn check(text: &str) {
        let expected = text.parse::<f64>().ok().filter(|value| value.is_finite());
        assert_eq!(read(text).map(f64::to_bits), expected.map(f64::to_bits), "{text}");
    }

    #[test]
    fn hard_numbers_are_read_as_the_standard_library_reads_them() {
        let many = |digits: &str| format!("0.{}{digits}", "0".repeat(40));
        for text in [
            "0",
            "-0",
            "0.0",
            "-0.0e5",
            "0e999999999999999999999",
            "1e-999999999999999999999",
            "1e999999999999999999999",
            "1e400",
            "1e-400",
            "1",
            "0.1",
            "0.3",
            "1e22",
            "1e23",
            "123456789012345e22",
            "1234567890123456e22",
            "9007199254740993",
            "9007199254740992.5",
            "9007199254740993.0000000000000000000001",
            "18446744073709551616",
            "5e-324",
            "2.4703282292062327e-324",
            "2.4703282292062328e-324",
            "2.2250738585072011e-308",
            "2.2250738585072014e-308",
            "2.225073858507201136e-308",
            "1.7976931348623157e308",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "1.797693134862315807e308",
            "179769313486231580793e289",
            "6.62607015e-34",
            "8.41e21",
            "2.0e-1",
            "4.35",
            "0.000001",
            "1E+2",
        ] {
            check(text);
            check(&format!("-{}", text.trim_start_matches('-')));
        }
        check(&many("123456789012345678901234567890"));
        // Halfway between two doubles, and just above: told by the last of very many digits.
        let half = format!("{:.1074}", f64::from_bits(3) / 2.0);
        check(&half);
        for end in ["", "0", "1"] {
            check(&format!("9007199254740993.{}{end}", "0".repeat(900)));
            check(&format!("1{}{end}e-1000", "0".repeat(1_000)));
        }
    }

    #[test]
    fn what_is_no_number_of_jsons_is_none() {
        for text in [
            "", "-", "01", "-01.5", "1.", ".5", "1e", "1e+", "+1", "1.5.5", "1e5e5", "1e5.5", "--1", "1-2",
            "0x1", "NaN", "inf", "1_0",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_double_comes_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            for text in [format!("{value:e}"), ryu_js::Buffer::new().format_finite(value).to_owned()] {
                prop_assert_eq!(read(&text), Some(value));
            }
        }

        #[test]
        fn any_number_is_read_as_the_standard_library_reads_it(
            whole in "0|[1-9][0-9]{0,25}", fraction in "(\\.[0-9]{1,40})?", exponent in "(e-?[0-9]{1,3})?",
        ) {
            let text = format!("{whole}{fraction}{exponent}");
            let expected = text.parse::<f64>().ok().filter(|value| value.is_finite());
            prop_assert_eq!(read(&text), expected);
        }
    }
}
