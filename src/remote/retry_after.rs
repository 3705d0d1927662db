//! The `Retry-After` header (RFC 9110, 10.2.3).

/// In milliseconds from now: seconds, or an HTTP date. A date is the server's, so it is compared with the server's own
/// `Date` where the answer shows it, and with this device's clock, which may be wrong, only where it does not.
pub(super) fn ms(value: &str, date: Option<&str>) -> Option<u64> {
    if let Ok(seconds) = value.trim().parse::<u32>() {
        return Some(u64::from(seconds) * 1_000);
    }
    let until = js_sys::Date::parse(value);
    let now = date.map(js_sys::Date::parse).filter(|now| !now.is_nan()).unwrap_or_else(js_sys::Date::now);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and not below zero")]
    (!until.is_nan()).then(|| (until - now).max(0.0) as u64)
}
