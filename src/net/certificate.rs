//! Who is a certificate for, by whom, and for how long?
//!
//! Read only to tell people about certificates (and whether one that the user named is in date): what is trusted is
//! decided by the verifier. X.509 as in RFC 5280, section 4.1; anything else reads as nothing.

use std::time::{Duration, SystemTime};

/// A moment, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(i64);

impl Moment {
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

/// One end of a certificate's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) moment: Moment,
    /// `2024-05-01 12:00 UTC`.
    pub(super) text: String,
}

/// What a person wants to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// `CN=…, O=…`
    pub(super) issuer: String,
    pub(super) is_self_issued: bool,
    pub(super) not_before: Bound,
    pub(super) not_after: Bound,
    /// Host names and addresses of the subject alternative name.
    pub(super) names: Vec<String>,
}

impl Certificate {
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let mut certificate = Der(Der(der).expect(SEQUENCE)?);
        let mut fields = Der(certificate.expect(SEQUENCE)?);
        if fields.peek()? == VERSION {
            fields.next()?;
        }
        fields.next()?; // the serial number
        fields.next()?; // the algorithm of the signature
        let issuer = fields.expect(SEQUENCE)?;
        let mut validity = Der(fields.expect(SEQUENCE)?);
        let subject = fields.expect(SEQUENCE)?;
        Some(Self {
            issuer: name(issuer),
            is_self_issued: issuer == subject,
            not_before: bound(validity.next()?)?,
            not_after: bound(validity.next()?)?,
            names: alternative_names(fields).unwrap_or_default(),
        })
    }

    pub(super) fn is_valid_at(&self, now: Moment) -> bool {
        self.not_before.moment <= now && now <= self.not_after.moment
    }
}

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];

/// The longest part of a name that is shown, in characters.
const LONGEST: usize = 80;

/// Elements that follow one another.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let [tag, first, rest @ ..] = self.0 else { return None };
        let (length, rest) = match usize::from(*first) {
            short @ 0..0x80 => (short, rest),
            long => {
                let (digits, rest) = rest.split_at_checked(long & 0x7f).filter(|(digits, _)| digits.len() <= 4)?;
                (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    fn expect(&mut self, expected: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == expected).map(|(_, content)| content)
    }
}

/// The parts of a name that people know it by.
fn name(sets: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut sets = Der(sets);
    while let Some((_, set)) = sets.next() {
        let mut set = Der(set);
        while let Some(attribute) = set.expect(SEQUENCE) {
            let mut attribute = Der(attribute);
            let (Some((_, kind)), Some((tag, value))) = (attribute.next(), attribute.next()) else { continue };
            match kind {
                COMMON_NAME => parts.insert(0, format!("CN={}", text(tag, value))),
                ORGANIZATION => parts.push(format!("O={}", text(tag, value))),
                _ => {}
            }
        }
    }
    if parts.is_empty() { "an authority without a name".to_owned() } else { parts.join(", ") }
}

fn text(tag: u8, value: &[u8]) -> String {
    const BMP_STRING: u8 = 0x1e;
    let text = if tag == BMP_STRING {
        let units: Vec<u16> = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    } else {
        String::from_utf8_lossy(value).into_owned()
    };
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn bound((tag, value): (u8, &[u8])) -> Option<Bound> {
    const UTC_TIME: u8 = 0x17;
    let digits = std::str::from_utf8(value).ok()?.strip_suffix('Z')?;
    let digits = match tag {
        UTC_TIME if digits.get(..2)? < "50" => format!("20{digits}"),
        UTC_TIME => format!("19{digits}"),
        _ => digits.to_owned(),
    };
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let seconds = days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    Some(Bound { moment: Moment(seconds), text: format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC") })
}

/// Days from 1970 to a date of the Gregorian calendar; years begin in March, so that leap days end them.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

fn alternative_names(mut fields: Der) -> Option<Vec<String>> {
    let extensions = loop {
        if let (EXTENSIONS, content) = fields.next()? {
            break content;
        }
    };
    let mut extensions = Der(Der(extensions).expect(SEQUENCE)?);
    while let Some(extension) = extensions.expect(SEQUENCE) {
        let mut extension = Der(extension);
        if extension.next()?.1 != SUBJECT_ALTERNATIVE_NAME {
            continue;
        }
        if extension.peek()? == BOOLEAN {
            extension.next()?;
        }
        let mut names = Der(Der(extension.expect(OCTET_STRING)?).expect(SEQUENCE)?);
        return Some(std::iter::from_fn(|| names.next()).filter_map(alternative_name).collect());
    }
    None
}

fn alternative_name((tag, value): (u8, &[u8])) -> Option<String> {
    const DNS_NAME: u8 = 0x82;
    const IP_ADDRESS: u8 = 0x87;
    match tag {
        DNS_NAME => Some(text(tag, value)),
        IP_ADDRESS => <[u8; 4]>::try_from(value)
            .map(|v4| std::net::Ipv4Addr::from(v4).to_string())
            .or_else(|_| <[u8; 16]>::try_from(value).map(|v6| std::net::Ipv6Addr::from(v6).to_string()))
            .ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned(), "10.0.0.1".to_owned()]).unwrap();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_dates_are_read() {
        let der = made(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "Example & Söhne");
            params.distinguished_name.push(DnType::CommonName, "Example CA");
            params.not_before = date_time_ymd(2024, 2, 29);
            params.not_after = date_time_ymd(2050, 1, 1);
        });
        let read = Certificate::read(&der).unwrap();
        assert_eq!(read.issuer, "CN=Example CA, O=Example & Söhne");
        assert!(read.is_self_issued);
        assert_eq!(read.not_before, Bound { moment: Moment(1_709_164_800), text: "2024-02-29 00:00 UTC".to_owned() });
        assert_eq!(read.not_after, Bound { moment: Moment(2_524_608_000), text: "2050-01-01 00:00 UTC".to_owned() });
        assert_eq!(read.names, ["a.example", "10.0.0.1"]);
        assert!(read.is_valid_at(Moment(1_709_164_800)) && !read.is_valid_at(Moment(1_709_164_799)));
    }

    #[test]
    fn days_are_counted_from_1970() {
        for (date, expected) in [((1970, 1, 1), 0), ((1969, 12, 31), -1), ((2000, 3, 1), 11017), ((2100, 3, 1), 47541)]
        {
            assert_eq!(days(date.0, date.1, date.2), expected, "{date:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Certificate::read(&bytes);
        }

        #[test]
        fn nor_is_a_certificate_that_was_cut_or_changed(cut in 0_usize..600, at in 0_usize..600, to in any::<u8>()) {
            let mut der = made(|_| {});
            if let Some(byte) = der.get_mut(at) {
                *byte = to;
            }
            der.truncate(der.len() - cut.min(der.len()));
            Certificate::read(&der);
        }
    }
}
