//! The form of temporary ids. Time and chance are the caller's.

const PREFIX: &str = "temp_";

/// Of the time, and of the random part.
const DIGITS_MIN: usize = 13;

/// The id a record is born with: `temp_<timestamp>_<random>_<entityType>`, where the random part is base 36 and thirteen
/// characters long. The time leads, so ids of one device sort by when they were made (until 2286, when a millisecond
/// time grows a digit), and those of one moment by their random part.
#[must_use]
pub fn temporary_id(timestamp_ms: u64, random: u64, table: &str) -> String {
    let mut id = String::with_capacity(PREFIX.len() + 2 * (DIGITS_MIN + 1) + table.len());
    id.push_str(PREFIX);
    push_number::<10>(&mut id, timestamp_ms);
    id.push('_');
    push_number::<36>(&mut id, random);
    id.push('_');
    id.push_str(table);
    id
}

/// Whether an id has the form of a temporary one. Server ids never do.
#[must_use]
pub fn is_temporary(id: &str) -> bool {
    let Some(rest) = id.strip_prefix(PREFIX) else { return false };
    let mut parts = rest.splitn(3, '_');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let random = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    parts.next().is_some_and(digits)
        && parts.next().is_some_and(random)
        && parts.next().is_some_and(|t| !t.is_empty())
}

/// Whether an id has the form of a UUID, as every mutation's id has.
#[must_use]
pub fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Without the machinery of `format!`, which would cost more than all else that makes a record.
fn push_number<const BASE: u64>(text: &mut String, mut number: u64) {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    // As many as a number can have in base 10.
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    while number > 0 {
        first -= 1;
        // The remainder is below 37, so the index is in range.
        digits[first] = DIGITS[usize::try_from(number % BASE).unwrap_or(0)];
        number /= BASE;
    }
    let first = first.min(digits.len() - DIGITS_MIN);
    text.push_str(std::str::from_utf8(&digits[first..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_documented_form() {
        assert_eq!(temporary_id(1_760_000_000_000, 0, "steps"), "temp_1760000000000_0000000000000_steps");
        assert_eq!(
            temporary_id(1_760_000_000_000, 36u64.pow(5), "time_logs"),
            "temp_1760000000000_0000000100000_time_logs"
        );
        assert_eq!(temporary_id(5, u64::MAX, "a"), "temp_0000000000005_3w5e11264sgsf_a");
    }

    #[test]
    fn sorts_by_time() {
        assert!(temporary_id(999, u64::MAX, "z") < temporary_id(1_000, 0, "a"));
        assert!(temporary_id(1_759_999_999_999, 7, "z") < temporary_id(1_760_000_000_000, 3, "a"));
    }

    #[test]
    fn is_told_from_other_ids() {
        assert!(is_temporary(&temporary_id(1, 2, "tasks")));
        assert!(is_temporary("temp_1760000000000_k3j9x2_steps"));
        for other in [
            "",
            "41",
            "temp_",
            "temp_x_k3_steps",
            "temp_1_k3",
            "temp_1_k3_",
            "temp_1__steps",
            "0199b1c0-0000-7000-8000-000000000000",
        ] {
            assert!(!is_temporary(other), "{other}");
        }
    }
}
