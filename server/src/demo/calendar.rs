//! Dates from millisecond times.

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// The date (UTC) so many days from `now`, moved from a weekend to the Monday after.
pub(super) fn working_day(now: u64, days: i64) -> String {
    let today = i64::try_from(now / DAY_MS).unwrap_or(0);
    let day = today + days;
    // Day 0 was a Thursday: counting from Monday, the third.
    let weekday = (day + 3).rem_euclid(7);
    iso_date(if weekday >= 5 { day + 7 - weekday } else { day })
}

/// The Gregorian date of a day since 1970-01-01, in years that begin in March, so that the leap day ends them.
fn iso_date(day: i64) -> String {
    const DAYS_TO_1970: i64 = 719_468;
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let day = day + DAYS_TO_1970;
    let era = day.div_euclid(DAYS_IN_400_YEARS);
    let of_era = day.rem_euclid(DAYS_IN_400_YEARS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(iso_date(0), "1970-01-01");
        assert_eq!(iso_date(11_016), "2000-02-29");
        assert_eq!(iso_date(20_512), "2026-02-28");
        assert_eq!(iso_date(20_513), "2026-03-01");
        assert_eq!(iso_date(-1), "1969-12-31");
    }

    #[test]
    fn weekends_move_to_monday() {
        // 2026-02-28 was a Saturday.
        let saturday = 20_512 * DAY_MS;
        assert_eq!(working_day(saturday, 0), "2026-03-02");
        assert_eq!(working_day(saturday, 1), "2026-03-02");
        assert_eq!(working_day(saturday, -1), "2026-02-27");
        assert_eq!(working_day(saturday + 5, 3), "2026-03-03");
    }
}
