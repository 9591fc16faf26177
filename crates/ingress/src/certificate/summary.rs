//! Names and validity of the certificates that TLS presents: for the status page, the probe and the
//! metrics.

use std::path::{Path, PathBuf};

use super::facts::{Facts, Validity};

/// Most names that are listed.
const MAX_NAMES: usize = 100;

/// The certificates that TLS uses at present; the default, where nothing is served by TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// The file that they are in.
    pub file: PathBuf,
    /// How many the file holds: the server's own, and those of its issuers.
    pub count: usize,
    /// The names in the server's own.
    pub names: Vec<String>,
    /// When the server's own is valid.
    pub own: Option<Validity>,
    /// The validity of the issuer that ends first; `None` if the file holds none. Clients that
    /// check it refuse the server's own when it has ended.
    pub issuers: Option<Validity>,
}

impl Certificates {
    /// Of the server's own certificate, and then of its issuers'.
    pub(crate) fn of(file: &Path, chain: &[Facts]) -> Self {
        let own = chain.first();
        let issuers = chain.iter().skip(1).map(Facts::validity);
        Self {
            file: file.to_owned(),
            count: chain.len(),
            names: own
                .map(|own| own.names().take(MAX_NAMES).collect())
                .unwrap_or_default(),
            own: own.map(Facts::validity),
            issuers: issuers.min_by_key(|validity| validity.not_after),
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate of these years, for these names.
    fn certificate(names: &[&str], from: i32, to: i32) -> Facts {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        Facts::read(params.self_signed(&key).unwrap().der()).unwrap()
    }

    #[test]
    fn names_and_times_are_read_and_the_issuer_that_ends_first_counts() {
        let names = ["live.example.com", "192.0.2.1", "2001:db8::1"];
        let chain = [
            certificate(&names, 1970, 1971),
            certificate(&[], 1970, 1990),
            certificate(&[], 1971, 1973),
        ];
        let year = 365 * 86_400;
        let validity = |not_before, not_after| Validity {
            not_before,
            not_after,
        };
        let file = Path::new("cert.pem");
        let summary = Certificates::of(file, &chain);
        assert_eq!((&*summary.file, summary.count), (file, 3));
        assert_eq!(summary.names, names);
        assert_eq!(summary.own, Some(validity(0, year)));
        // 1972 had a day more.
        assert_eq!(summary.issuers, Some(validity(year, 3 * year + 86_400)));
        assert_eq!(Certificates::of(file, &chain[..1]).issuers, None);
    }
}
