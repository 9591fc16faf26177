//! What a certificate says of itself.

use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    parse_x509_certificate,
};

/// What a certificate says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) der: CertificateDer<'static>,
    /// In words.
    pub(crate) subject: String,
    /// In words.
    pub(crate) issuer: String,
    subject_raw: Vec<u8>,
    issuer_raw: Vec<u8>,
    key_id: Option<Vec<u8>>,
    issuer_key_id: Option<Vec<u8>>,
    names: Vec<Name>,
    valid: Validity,
}

/// From when to when a certificate is valid (RFC 5280 §4.1.2.5), in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub not_before: i64,
    /// Its last second.
    pub not_after: i64,
}

#[derive(Clone, Debug)]
enum Name {
    Dns(String),
    Ip(IpAddr),
}

impl Facts {
    /// `None` if it cannot be read. What stands behind it in a `TRUSTED CERTIFICATE` of OpenSSL is
    /// left out.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = parse_x509_certificate(der).ok()?;
        let own = der.get(..der.len() - rest.len())?;
        let validity = certificate.validity();
        let (key_id, issuer_key_id) = key_ids(&certificate);
        Some(Self {
            der: CertificateDer::from(own.to_vec()),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            subject_raw: certificate.subject().as_raw().to_vec(),
            issuer_raw: certificate.issuer().as_raw().to_vec(),
            key_id,
            issuer_key_id,
            names: names(&certificate),
            valid: Validity {
                not_before: validity.not_before.timestamp(),
                not_after: validity.not_after.timestamp(),
            },
        })
    }

    /// Whether this one issued the other, as far as names and key identifiers tell (RFC 5280
    /// §4.2.1.1).
    pub(crate) fn issued(&self, other: &Self) -> bool {
        let ids = self.key_id.as_ref().zip(other.issuer_key_id.as_ref());
        self.der != other.der
            && self.subject_raw == other.issuer_raw
            && ids.is_none_or(|(own, named)| own == named)
    }

    pub(crate) fn is_self_signed(&self) -> bool {
        self.subject_raw == self.issuer_raw
    }

    /// Why it is not valid at this time; `None` if it is.
    pub(crate) fn invalid_at(&self, now: SystemTime) -> Option<String> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let date = |seconds| {
            Timestamp::from_second(seconds)
                .map_or_else(|_| format!("{seconds} s"), |at| at.to_string())
        };
        let Validity {
            not_before,
            not_after,
        } = self.valid;
        if now > not_after {
            Some(format!("expired on {}", date(not_after)))
        } else if now < not_before {
            Some(format!(
                "is not valid before {}; is the clock of this machine right?",
                date(not_before)
            ))
        } else {
            None
        }
    }

    /// When it is valid.
    pub(crate) fn validity(&self) -> Validity {
        self.valid
    }

    /// The names and addresses that it is for, as text.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|name| match name {
            Name::Dns(name) => name.clone(),
            Name::Ip(ip) => ip.to_string(),
        })
    }

    /// Whether it is for this host: a name, with a wildcard for one label (RFC 9525 §6.3), or an
    /// address.
    pub(crate) fn is_for(&self, host: &str) -> bool {
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .trim_end_matches('.');
        let address = host.parse::<IpAddr>().ok();
        self.names.iter().any(|name| match (name, address) {
            (Name::Ip(ip), Some(address)) => *ip == address,
            (Name::Dns(name), None) => is_name_for(name, host),
            _ => false,
        })
    }
}

fn is_name_for(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent)),
        None => name.eq_ignore_ascii_case(host),
    }
}

/// The identifiers of its own key and of its issuer's.
fn key_ids(certificate: &X509Certificate<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let (mut own, mut issuers) = (None, None);
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => own = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                issuers = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            _ => {}
        }
    }
    (own, issuers)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<Name> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(Name::Dns((*name).to_owned())),
            GeneralName::IPAddress(bytes) => ip(bytes).map(Name::Ip),
            _ => None,
        })
        .collect()
}

/// The address in 4 or 16 bytes (RFC 5280 §4.2.1.6).
fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6).ok()
}
