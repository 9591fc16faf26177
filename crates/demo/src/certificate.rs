//! A certificate for one run: created at start, in a directory that is deleted with it.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    net::IpAddr,
    path::PathBuf,
};

use rcgen::{CertificateParams, DnType, KeyPair};
use tempfile::TempDir;

use crate::Error;

/// Certificate and key as PEM files, which exist as long as this value.
#[derive(Debug)]
pub(crate) struct Certificate {
    directory: TempDir,
}

impl Certificate {
    /// Self-signed, for `localhost`, both loopback addresses and `address`.
    pub(crate) fn make(address: Option<IpAddr>) -> Result<Self, Error> {
        let mut names = vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ];
        names.extend(address.map(|ip| ip.to_string()));
        let mut parameters = CertificateParams::new(names)?;
        parameters
            .distinguished_name
            .push(DnType::CommonName, "Whipstitch demo, made at start");
        let key = KeyPair::generate()?;
        let certificate = parameters.self_signed(&key)?;

        let directory = tempfile::Builder::new()
            .prefix("whipstitch-demo-")
            .tempdir()?;
        let made = Self { directory };
        fs::write(made.cert(), certificate.pem())?;
        let mut file = OpenOptions::new();
        file.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
        file.open(made.key())?
            .write_all(key.serialize_pem().as_bytes())?;
        Ok(made)
    }

    /// The certificate's file.
    pub(crate) fn cert(&self) -> PathBuf {
        self.directory.path().join("cert.pem")
    }

    /// The private key's file.
    pub(crate) fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_live_as_long_as_the_value() {
        let certificate = Certificate::make(Some(IpAddr::from([192, 0, 2, 7]))).unwrap();
        let (cert, key) = (certificate.cert(), certificate.key());
        assert!(
            fs::read_to_string(&cert)
                .unwrap()
                .starts_with("-----BEGIN CERTIFICATE-----")
        );
        assert!(fs::read_to_string(&key).unwrap().contains("PRIVATE KEY"));
        drop(certificate);
        assert!(!cert.exists());
        assert!(!key.exists());
    }
}
