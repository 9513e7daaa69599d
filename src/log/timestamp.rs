//! How is a time written in a log line and in a trace?

use std::time::SystemTime;

use time::OffsetDateTime;

/// A time as in RFC 3339, in UTC, with milliseconds.
pub(super) fn timestamp(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (hour, minute, second, milliseconds) = time.to_hms_milli();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z", time.date())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_as_in_rfc_3339() {
        for (seconds, written) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (1_798_761_599, "2026-12-31T23:59:59.007Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, 7_000_000);
            assert_eq!(timestamp(time), written);
        }
    }
}
