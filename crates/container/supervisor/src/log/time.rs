//! Time as log entries carry it.

use std::time::Duration;

/// RFC 3339 in UTC with as many fractional digits as the value needs: Go's `RFC3339Nano`, which
/// both Docker and the kubelet read and write. `now` is the time since the epoch.
pub fn rfc3339_nano(now: Duration) -> String {
    let (year, month, day) = civil(now.as_secs() / 86_400);
    let second = now.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    match now.subsec_nanos() {
        0 => whole + "Z",
        nanos => format!("{whole}.{}Z", format!("{nanos:09}").trim_end_matches('0')),
    }
}

/// The Gregorian date of a day since the epoch. Years are counted from March, so that the leap
/// day is the last of its year, and days from the beginning of a 400-year cycle.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (951_827_696, 7, "2000-02-29T12:34:56.000000007Z"),
            (1_735_689_599, 500_000_000, "2024-12-31T23:59:59.5Z"),
            (4_107_542_400, 120_000, "2100-03-01T00:00:00.00012Z"),
        ] {
            assert_eq!(rfc3339_nano(Duration::new(seconds, nanos)), text);
        }
    }
}
