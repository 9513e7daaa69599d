//! How does a person say when something was or will be?

use crate::auth::now;

/// `in 50 minutes` or `2 days ago`, of a moment in seconds since 1970.
pub(super) fn when(moment: u64) -> String {
    relative(moment, now())
}

fn relative(moment: u64, now: u64) -> String {
    match moment.checked_sub(now) {
        Some(0..30) => "in a moment".to_owned(),
        Some(ahead) => format!("in {}", span(ahead)),
        None if now - moment < 30 => "just now".to_owned(),
        None => format!("{} ago", span(now - moment)),
    }
}

/// A time in the unit that a person would use, rounded.
pub(super) fn span(seconds: u64) -> String {
    let rounded = |unit: u64| (seconds + unit / 2) / unit;
    let (count, unit) = match seconds {
        // Some servers say so of tokens that never expire.
        3_153_600_000.. => return "more than 100 years".to_owned(),
        0..120 => (seconds, "second"),
        120..7200 => (rounded(60), "minute"),
        7200..172_800 => (rounded(3600), "hour"),
        172_800..63_072_000 => (rounded(86_400), "day"),
        _ => (rounded(31_536_000), "year"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_said_in_words() {
        const NOW: u64 = 10_000_000_000;
        for (moment, words) in [
            (NOW, "in a moment"),
            (NOW + 29, "in a moment"),
            (NOW + 31, "in 31 seconds"),
            (NOW + 2999, "in 50 minutes"),
            (NOW + 7199, "in 120 minutes"),
            (NOW + 7200, "in 2 hours"),
            (NOW + 172_800, "in 2 days"),
            (NOW + 63_072_000, "in 2 years"),
            (u64::MAX, "in more than 100 years"),
            (NOW - 1, "just now"),
            (NOW - 31, "31 seconds ago"),
            (NOW - 200_000, "2 days ago"),
            (0, "more than 100 years ago"),
        ] {
            assert_eq!(relative(moment, NOW), words, "{moment}");
        }
        assert_eq!((span(1), span(0)), ("1 second".to_owned(), "0 seconds".to_owned()));
    }
}
