//! What a certificate says of itself.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::SystemTime,
};

use serde::Serialize;
use whipstitch_ingress::CertStore;
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

use super::answer::unix_ms;

/// Most names that are shown.
const MAX_NAMES: usize = 100;
const DAY: i64 = 86_400_000;

/// One certificate.
#[derive(Debug, Serialize)]
pub(super) struct Certificate {
    file: String,
    names: Vec<String>,
    /// Null if the certificate cannot be read; TLS has taken it all the same.
    not_after_at: Option<i64>,
    days_left: Option<i64>,
}

impl Certificate {
    /// Whole days until it is no longer valid; below zero after that.
    pub(super) fn days_left(&self) -> Option<i64> {
        self.days_left
    }
}

/// The certificate that is shown to clients at present.
pub(super) fn shown(store: &CertStore) -> Certificate {
    let leaf = store.leaf();
    let der = leaf.as_deref().unwrap_or_default();
    let (names, not_after_at) = read(der).unzip();
    let now = i64::try_from(unix_ms(SystemTime::now())).unwrap_or(i64::MAX);
    Certificate {
        file: store.file().display().to_string(),
        names: names.unwrap_or_default(),
        not_after_at,
        days_left: not_after_at.map(|end| (end - now).div_euclid(DAY)),
    }
}

/// Its names, and its end in milliseconds since 1970.
fn read(der: &[u8]) -> Option<(Vec<String>, i64)> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let end = certificate.validity().not_after.timestamp();
    Some((
        names.filter_map(name).take(MAX_NAMES).collect(),
        end * 1_000,
    ))
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|ip| Ipv4Addr::from(ip).to_string());
            let v6 = <[u8; 16]>::try_from(*bytes).map(|ip| Ipv6Addr::from(ip).to_string());
            v4.or(v6).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_end_are_read() {
        let names = ["live.example.com", "192.0.2.1", "2001:db8::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names.clone()).unwrap();
        let (read, end) = read(made.cert.der()).unwrap();
        assert_eq!(read, names);
        assert!(end > 0);
        assert!(super::read(b"junk").is_none());
    }
}
