//! Names and validity of the certificates that TLS presents: for the status page, the probe and the
//! metrics.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

use whipstitch_ingress::CertStore;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate};

/// Most names that are listed.
const MAX_NAMES: usize = 100;

/// The certificates that TLS uses at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// The file that they are in.
    pub file: PathBuf,
    /// How many the file holds: the server's own, and those of its issuers.
    pub count: usize,
    /// The names in the server's own.
    pub names: Vec<String>,
    /// When the server's own is valid; `None` if it cannot be read: TLS has taken it all the same.
    pub own: Option<Validity>,
    /// The validity of the issuer that ends first; `None` if the file holds none that can be read.
    /// Clients that check it refuse the server's own when it has ended.
    pub issuers: Option<Validity>,
}

/// From when to when a certificate is valid (RFC 5280 §4.1.2.5), in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub not_before: i64,
    /// Its last second.
    pub not_after: i64,
}

/// The certificates in use.
pub fn shown(store: &CertStore) -> Certificates {
    Certificates {
        file: store.file().to_owned(),
        ..read(&store.chain())
    }
}

fn read<D: AsRef<[u8]>>(chain: &[D]) -> Certificates {
    let mut parsed = chain.iter().map(|der| {
        let (_, certificate) = parse_x509_certificate(der.as_ref()).ok()?;
        Some(certificate)
    });
    let own = parsed.next().flatten();
    let issuers = parsed.flatten().map(|issuer| Validity::of(&issuer));
    Certificates {
        file: PathBuf::new(),
        count: chain.len(),
        names: own.as_ref().map(names).unwrap_or_default(),
        own: own.as_ref().map(Validity::of),
        issuers: issuers.min_by_key(|validity| validity.not_after),
    }
}

impl Validity {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        }
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    names.filter_map(name).take(MAX_NAMES).collect()
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
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate of these years, for these names.
    fn certificate(names: &[&str], from: i32, to: i32) -> Vec<u8> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_times_are_read_and_the_issuer_that_ends_first_counts() {
        let names = ["live.example.com", "192.0.2.1", "2001:db8::1"];
        let chain = [
            certificate(&names, 1970, 1971),
            certificate(&[], 1970, 1990),
            certificate(&[], 1971, 1973),
            b"junk".to_vec(),
        ];
        let year = 365 * 86_400;
        let validity = |not_before, not_after| Validity {
            not_before,
            not_after,
        };
        let shown = read(&chain);
        assert_eq!(shown.names, names);
        assert_eq!((shown.count, shown.own), (4, Some(validity(0, year))));
        // 1972 had a day more.
        assert_eq!(shown.issuers, Some(validity(year, 3 * year + 86_400)));
        let alone = read(&chain[..1]);
        assert_eq!((alone.own, alone.issuers), (shown.own, None));
        let odd = read(&chain[3..]);
        assert_eq!((odd.count, odd.own, odd.issuers), (1, None, None));
        assert_eq!(read::<Vec<u8>>(&[]), Certificates::default());
    }
}
