//! Which names and dates are in a certificate?
//!
//! Read for the sentences about a certificate, and to check the dates of one that the user named. Whether a certificate
//! is trusted is decided in verifier.rs.

use std::net::IpAddr;

use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::log;

/// The longest part of a name that is shown, in characters.
const LONGEST: usize = 80;

/// What a sentence about a certificate needs.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Certificate {
    /// `CN=…, O=…`
    pub(super) issuer: String,
    pub(super) is_self_issued: bool,
    /// Host names and addresses of the subject alternative name.
    pub(super) names: Vec<String>,
    /// Where certificates named their host before there were alternative names.
    pub(super) common_name: Option<String>,
    /// X.509 of version 1 has no alternative names, and rustls does not take it.
    pub(super) is_version_1: bool,
    pub(super) has_expired: bool,
    pub(super) is_not_valid_yet: bool,
    /// `2024-05-01 12:00 UTC`
    pub(super) not_before: String,
    pub(super) not_after: String,
    /// How many days are left until then.
    pub(super) days_left: i64,
}

impl Certificate {
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.into_iter().flat_map(|extension| &extension.value.general_names);
        let not_before = certificate.validity().not_before.to_datetime();
        let not_after = certificate.validity().not_after.to_datetime();
        let now = OffsetDateTime::now_utc();
        Some(Self {
            issuer: issuer(certificate.issuer()),
            is_self_issued: certificate.issuer().as_raw() == certificate.subject().as_raw(),
            names: names.filter_map(alternative_name).collect(),
            common_name: certificate.subject().iter_common_name().next().map(|name| text(name.as_slice())),
            is_version_1: certificate.version().0 == 0,
            has_expired: not_after < now,
            is_not_valid_yet: not_before > now,
            not_before: minute(not_before),
            not_after: minute(not_after),
            days_left: (not_after - now).whole_days(),
        })
    }
}

impl Certificate {
    /// Whether a certificate without alternative names has this host as its common name.
    pub(super) fn has_as_common_name(&self, host: &str) -> bool {
        let Some(name) = self.common_name.as_ref().filter(|_| self.names.is_empty()) else { return false };
        let below = name.strip_prefix('*').filter(|parent| parent.starts_with('.') && parent[1..].contains('.'));
        match below {
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(&parent[1..])),
            None => name.eq_ignore_ascii_case(host.trim_end_matches('.')),
        }
    }
}

fn minute(time: OffsetDateTime) -> String {
    let (hour, minute, _) = time.to_hms();
    format!("{} {hour:02}:{minute:02} UTC", time.date())
}

fn issuer(name: &X509Name<'_>) -> String {
    let common_names = name.iter_common_name().map(|attribute| ("CN", attribute));
    let organizations = name.iter_organization().map(|attribute| ("O", attribute));
    let parts = common_names.chain(organizations);
    let parts: Vec<_> = parts.map(|(kind, attribute)| format!("{kind}={}", text(attribute.as_slice()))).collect();
    if parts.is_empty() { "an authority without a name".to_owned() } else { parts.join(", ") }
}

fn alternative_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(text(name.as_bytes())),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .map(|address| address.to_string())
            .ok(),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> String {
    log::foreign(&String::from_utf8_lossy(bytes)).chars().take(LONGEST).collect()
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
        assert_eq!(read.not_before, "2024-02-29 00:00 UTC");
        assert_eq!(read.not_after, "2050-01-01 00:00 UTC", "a year that UTCTime cannot hold");
        assert_eq!(read.names, ["a.example", "10.0.0.1"]);
        assert!(!read.has_as_common_name("Example CA"), "alternative names replace it");
    }

    #[test]
    fn a_common_name_counts_where_there_is_no_other() {
        for (name, host, has) in [
            ("a.example", "A.Example", true),
            ("a.example", "b.a.example", false),
            ("*.a.example", "b.a.example", true),
            ("*.a.example", "a.example", false),
            ("*.a.example", "c.b.a.example", false),
            ("*.example", "a.example", false),
            ("10.0.0.1", "10.0.0.1", true),
        ] {
            let der = made(|params| {
                params.subject_alt_names.clear();
                params.distinguished_name.push(DnType::CommonName, name);
            });
            assert_eq!(Certificate::read(&der).unwrap().has_as_common_name(host), has, "{name} for {host}");
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
