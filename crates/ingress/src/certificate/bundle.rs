//! A certificate, its issuers' and its key, out of what two files hold; and what is to be said of
//! them.
//!
//! | in the files | result |
//! |---|---|
//! | the chain in another order | the certificate of the key is shown first, then each one's issuer; said |
//! | a certificate twice | shown once; said |
//! | one that issued none of the others | shown; said |
//! | the server's own alone, signed by another | shown; said |
//! | several keys | the one of a certificate is used; said |
//! | a key in the file of certificates, a certificate in that of the key | not used, unless both are one file; said |
//! | requests, lists of revocation, public keys, PKCS#7 | not used; said |
//! | a key with a passphrase | an error |

use std::path::Path;

use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use super::{
    error::TlsError,
    facts::Facts,
    pem::{self, Block},
};

/// What two files hold, ready to be shown to clients.
pub(crate) struct Bundle {
    pub(crate) certified: CertifiedKey,
    /// Of the server's own certificate, and then of its issuers'.
    pub(crate) facts: Vec<Facts>,
    /// What an operator should know of the files.
    pub(crate) notes: Vec<String>,
}

impl Bundle {
    /// Reads what the file of certificates and the file of the key hold.
    ///
    /// # Errors
    /// What cannot be used, and why.
    pub(crate) fn read(cert: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Self, TlsError> {
        let mut notes = Vec::new();
        let is_one = cert.1 == key.1;
        let (certificates, _) = sorted(cert, Wanted::Certificates { is_one }, &mut notes)?;
        let (_, keys) = sorted(key, Wanted::Keys { is_one }, &mut notes)?;
        let certificates = distinct(cert.0, certificates, &mut notes)?;
        let (first, certified) = matched(cert.0, key.0, &certificates, keys, &mut notes)?;
        let order = order(first, &certificates);
        say_order(cert.0, &order, &certificates, &mut notes);
        let mut shown: Vec<_> = certificates.into_iter().map(Some).collect();
        let ordered = order.path.iter().chain(&order.rest);
        let ordered: Vec<Facts> = ordered
            .filter_map(|index| shown.get_mut(*index).and_then(Option::take))
            .collect();
        let chain = ordered.iter().map(|facts| facts.der.clone()).collect();
        Ok(Self {
            certified: CertifiedKey::new(chain, certified.key),
            facts: ordered,
            notes,
        })
    }
}

#[derive(Clone, Copy)]
enum Wanted {
    Certificates { is_one: bool },
    Keys { is_one: bool },
}

/// The certificates and the keys of a file; one kind is wanted.
fn sorted(
    (path, bytes): (&Path, &[u8]),
    wanted: Wanted,
    notes: &mut Vec<String>,
) -> Result<(Vec<Block>, Vec<Block>), TlsError> {
    let blocks = pem::read(bytes).map_err(|error| TlsError::NotPem(path.to_owned(), error))?;
    let (mut certificates, mut keys, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for block in blocks {
        match &*block.label {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => certificates.push(block),
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => {
                keys.push(block);
            }
            // What a key says itself, too.
            "EC PARAMETERS" | "DH PARAMETERS" => {}
            _ => others.push(block),
        }
    }
    let mut unused = |block: &Block, what: &str| {
        let (line, label) = (block.line, &block.label);
        notes.push(format!(
            "{}: {label} in line {line} is not used: {what}",
            path.display()
        ));
    };
    for block in &others {
        unused(block, "it is neither a certificate nor a private key");
    }
    match wanted {
        Wanted::Certificates { is_one } => {
            if certificates.is_empty() {
                let but = keys.first().or(others.first()).map(|block| &*block.label);
                return Err(TlsError::NoCertificate(path.to_owned(), holds(but)));
            }
            for key in keys.iter().filter(|_| !is_one) {
                unused(key, "the key is read from tls.key");
            }
        }
        Wanted::Keys { is_one } => {
            if keys.is_empty() {
                let but = certificates
                    .first()
                    .or(others.first())
                    .map(|block| &*block.label);
                return Err(TlsError::NoKey(path.to_owned(), holds(but)));
            }
            for certificate in certificates.iter().filter(|_| !is_one) {
                unused(certificate, "certificates are read from tls.cert");
            }
        }
    }
    Ok((certificates, keys))
}

/// What a file holds instead, as the end of a sentence.
fn holds(label: Option<&str>) -> String {
    match label {
        Some("CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") => {
            ", but a certificate".to_owned()
        }
        Some(label) if label.ends_with("PRIVATE KEY") => ", but a private key".to_owned(),
        Some(label) => format!(", but {label}"),
        None => String::new(),
    }
}

fn distinct(
    path: &Path,
    blocks: Vec<Block>,
    notes: &mut Vec<String>,
) -> Result<Vec<Facts>, TlsError> {
    let mut all: Vec<Facts> = Vec::new();
    for block in blocks {
        let facts = Facts::read(&block.der)
            .ok_or_else(|| TlsError::Unreadable509(path.to_owned(), block.line))?;
        if all.iter().any(|known| known.der == facts.der) {
            notes.push(format!(
                "{}: the certificate in line {} is there twice; it is shown once",
                path.display(),
                block.line
            ));
        } else {
            all.push(facts);
        }
    }
    Ok(all)
}

/// The certificate that one of the keys belongs to, and the two together.
fn matched(
    cert: &Path,
    key: &Path,
    certificates: &[Facts],
    keys: Vec<Block>,
    notes: &mut Vec<String>,
) -> Result<(usize, CertifiedKey), TlsError> {
    let (count, mut why) = (keys.len(), None);
    for block in keys {
        let line = block.line;
        let private = private(key, block)?;
        for (index, facts) in certificates.iter().enumerate() {
            let certified = CertifiedKey::from_der(
                vec![facts.der.clone()],
                private.clone_key(),
                &aws_lc_rs::default_provider(),
            );
            match certified {
                Ok(certified) => {
                    if count > 1 {
                        notes.push(format!(
                            "{}: of {count} private keys the one in line {line} is used, as it is the certificate's",
                            key.display()
                        ));
                    }
                    return Ok((index, certified));
                }
                Err(error) => why = why.or(Some(error)),
            }
        }
    }
    let why = why.unwrap_or(rustls::Error::NoCertificatesPresented);
    Err(TlsError::Mismatch(cert.to_owned(), key.to_owned(), why))
}

fn private(path: &Path, block: Block) -> Result<PrivateKeyDer<'static>, TlsError> {
    if block.is_encrypted || block.label == "ENCRYPTED PRIVATE KEY" {
        return Err(TlsError::Passphrase(path.to_owned()));
    }
    Ok(match &*block.label {
        "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(block.der).into(),
        "EC PRIVATE KEY" => PrivateSec1KeyDer::from(block.der).into(),
        _ => PrivatePkcs8KeyDer::from(block.der).into(),
    })
}

/// The order in which certificates are shown, as indices.
struct Order {
    /// The server's own, its issuer's, and so on.
    path: Vec<usize>,
    /// All others, as they stand in the file.
    rest: Vec<usize>,
}

fn order(first: usize, certificates: &[Facts]) -> Order {
    let mut path = vec![first];
    let mut rest: Vec<usize> = (0..certificates.len())
        .filter(|index| *index != first)
        .collect();
    let mut last = certificates.get(first);
    while let Some(facts) = last {
        let issuer = rest.iter().position(|index| {
            certificates
                .get(*index)
                .is_some_and(|other| other.issued(facts))
        });
        last = issuer.and_then(|at| {
            let index = rest.remove(at);
            path.push(index);
            certificates.get(index)
        });
    }
    Order { path, rest }
}

fn say_order(path: &Path, order: &Order, certificates: &[Facts], notes: &mut Vec<String>) {
    let file = path.display();
    if !order.path.iter().zip(0..).all(|(index, at)| *index == at) {
        notes.push(format!(
            "{file}: the certificates are not in order; they are shown as the server's own, its issuer's, and so on"
        ));
    }
    for facts in order
        .rest
        .iter()
        .filter_map(|index| certificates.get(*index))
    {
        // Another certificate of an issuer that is there already is a second way up.
        if !certificates.iter().any(|other| facts.issued(other)) {
            notes.push(format!(
                "{file}: the certificate of \"{}\" issued none of the others; it is shown, and some clients refuse that",
                facts.subject
            ));
        }
    }
    let own = match *order.path {
        [own] => certificates.get(own),
        _ => None,
    };
    if let Some(facts) = own.filter(|own| !own.is_self_signed()) {
        notes.push(format!(
            "{file}: holds no certificate of \"{}\", which issued the server's own; clients that do not know it refuse the connection",
            facts.issuer
        ));
    }
}
