//! Certificate files are accepted as people have them, or refused with the reason; nothing in them
//! is skipped silently, and an active certificate is never replaced by a worse one.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use whipstitch::config::{self, Config, Sources};
use whipstitch_doctor::any_certificate;
use whipstitch_tests::{Deployment, Proxy};

const DAY: Duration = Duration::from_hours(24);

/// An issuer below a root, for certificates below it.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

struct Server {
    pem: String,
    key: String,
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Authority {
    fn make() -> Self {
        let root = CertifiedIssuer::self_signed(ca("root"), KeyPair::generate().unwrap()).unwrap();
        let issuer =
            CertifiedIssuer::signed_by(ca("issuer"), KeyPair::generate().unwrap(), &root).unwrap();
        Self { issuer }
    }

    /// Valid from `from` to `to`, in days from now.
    fn server(&self, names: &[&str], from: i32, to: i32) -> Server {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "server");
        let at = |days: i32| {
            let distance = DAY * days.unsigned_abs();
            let now = SystemTime::now();
            if days < 0 {
                now - distance
            } else {
                now + distance
            }
        };
        params.not_before = at(from).into();
        params.not_after = at(to).into();
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Server {
            pem: made.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A configuration whose certificate files are these.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, cert: &[u8], key: &[u8]) {
        fs::write(self.path("cert.pem"), cert).unwrap();
        fs::write(self.path("key.pem"), key).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The result of `check`: mistakes, mistakes that do not prevent a start, and warnings.
    fn check(&self, more: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
        let text = format!(
            "stream_manager.url = 'http://127.0.0.1'\nlisten.https = ['127.0.0.1:0']\ntls = {{ cert = 'cert.pem', key = 'key.pem' }}\n{more}"
        );
        fs::write(self.path("whipstitch.toml"), text).unwrap();
        let sources = Sources {
            file: Some(self.path("whipstitch.toml")),
            ..Sources::default()
        };
        let message = |all: &[config::Mistake]| {
            let all = all.iter().map(ToString::to_string);
            all.filter(|one| !one.contains("every user of this machine"))
                .collect::<Vec<_>>()
        };
        match config::load(&sources) {
            Ok(loaded) => (
                Vec::new(),
                message(&loaded.unfit),
                message(&loaded.warnings),
            ),
            Err(mistakes) => (
                message(&mistakes.mistakes),
                Vec::new(),
                message(&mistakes.warnings),
            ),
        }
    }
}

#[test]
fn every_spelling_is_read_whole_or_reported() {
    let (authority, files) = (Authority::make(), Files::new());
    let server = authority.server(&["localhost"], -1, 30);
    let (own, issuer) = (server.pem.clone(), authority.issuer.pem());
    let stranger =
        CertifiedIssuer::self_signed(ca("stranger"), KeyPair::generate().unwrap()).unwrap();
    let chain = format!("{own}{issuer}");
    let taken: Vec<(Vec<u8>, &str)> = vec![
        (chain.clone().into(), ""),
        (format!("{}{}", own.trim_end(), issuer).into(), ""),
        (chain.replace('\n', "\r\n").into(), ""),
        (chain.replace("\r\n", "\n").replace('\n', "\r").into(), ""),
        (format!("\u{feff}{chain}").into(), ""),
        (chain.replace('\n', "\n  ").into(), ""),
        (format!("Bag Attributes\n    localKeyID: 01\n{chain}\nthe end\n").into(), ""),
        (chain.replace("CERTIFICATE", "X509 CERTIFICATE").into(), ""),
        (chain.replace("BEGIN CERTIFICATE", "begin certificate").into(), ""),
        (format!("{issuer}{own}").into(), "not in order"),
        (format!("{chain}{issuer}").into(), "there twice"),
        (own.clone().into(), "no certificate of \"CN=issuer\""),
        (format!("{chain}{}", stranger.pem()).into(), "issued none of the others"),
        (format!("{chain}{}", server.key).into(), "PRIVATE KEY"),
        (format!("{chain}-----BEGIN CERTIFICATE REQUEST-----\nAAEC\n-----END CERTIFICATE REQUEST-----\n").into(), "CERTIFICATE REQUEST in line"),
    ];
    for (cert, word) in taken {
        files.write(&cert, server.key.as_bytes());
        let (mistakes, unfit, warnings) = files.check("");
        let shown = String::from_utf8_lossy(&cert);
        assert!(mistakes.is_empty(), "{shown}: {mistakes:?} {unfit:?}");
        assert!(unfit.is_empty(), "{shown}: {mistakes:?} {unfit:?}");
        assert_eq!(
            warnings.is_empty(),
            word.is_empty(),
            "{shown}: {warnings:?}"
        );
        assert!(
            warnings.iter().all(|warning| warning.contains(word)),
            "{warnings:?}"
        );
    }
    let der = [0x30, 0x82, 1, 2, 0x30, 0x82, 3, 4];
    let refused: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "is empty"),
        (der.to_vec(), "DER form"),
        ([0x30, 0x82, 1, 2, 2, 1, 3, 0x30].to_vec(), "PKCS#12"),
        (
            chain.replacen("-----END CERTIFICATE-----", "", 1).into(),
            "has no END CERTIFICATE",
        ),
        (
            chain.replacen("-----BEGIN", "----BEGIN", 1).into(),
            "line 1 looks like a BEGIN",
        ),
        (
            chain.replacen("-----BEGIN CERTIFICATE-----", "", 1).into(),
            "does not begin",
        ),
        (chain.replacen("MII", "M*I", 1).into(), "is not base64"),
        (
            "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n".into(),
            "not a certificate",
        ),
    ];
    for (cert, word) in refused {
        files.write(&cert, server.key.as_bytes());
        let (mistakes, ..) = files.check("");
        assert_eq!(mistakes.len(), 1, "{word}: {mistakes:?}");
        assert!(mistakes[0].contains(word), "{word}: {mistakes:?}");
        assert!(mistakes[0].contains("cert.pem"), "{mistakes:?}");
    }
}

#[test]
fn the_key_of_the_certificate_is_found_and_an_unusable_one_reported() {
    let (authority, files) = (Authority::make(), Files::new());
    let server = authority.server(&["localhost"], -1, 30);
    let other = authority.server(&["localhost"], -1, 30);
    let chain = format!("{}{}", server.pem, authority.issuer.pem());
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    for (key, mistake, warning) in [
        (format!("{parameters}{}", server.key), "", ""),
        (
            format!("{}{}", other.key, server.key),
            "",
            "of 2 private keys",
        ),
        (other.key.clone(), "does not hold the key", ""),
        (
            server.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
            "passphrase",
            "",
        ),
        (
            server.key.replace("PRIVATE KEY", "PUBLIC KEY"),
            "holds no private key",
            "",
        ),
    ] {
        files.write(chain.as_bytes(), key.as_bytes());
        let (mistakes, unfit, warnings) = files.check("");
        let whole = format!("{key}: {mistakes:?} {unfit:?} {warnings:?}");
        assert_eq!(
            (mistakes.is_empty(), warnings.is_empty()),
            (mistake.is_empty(), warning.is_empty()),
            "{whole}"
        );
        assert!(
            mistakes.iter().all(|message| message.contains(mistake)),
            "{whole}"
        );
        assert!(
            warnings.iter().all(|message| message.contains(warning)),
            "{whole}"
        );
    }
}

#[test]
fn an_expired_or_early_certificate_is_a_mistake_to_check_but_does_not_prevent_a_start() {
    let (authority, files) = (Authority::make(), Files::new());
    let chain = |server: &Server| format!("{}{}", server.pem, authority.issuer.pem());
    for (from, to, word) in [(-30, -1, "expired on "), (2, 30, "is not valid before ")] {
        let server = authority.server(&["localhost"], from, to);
        files.write(chain(&server).as_bytes(), server.key.as_bytes());
        let (mistakes, unfit, _) = files.check("");
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(unfit.len(), 1, "{unfit:?}");
        assert!(unfit[0].contains(word), "{unfit:?}");
    }
    let server = authority.server(&["a.example", "*.b.example"], -1, 30);
    files.write(chain(&server).as_bytes(), server.key.as_bytes());
    let (_, unfit, warnings) =
        files.check("proxy.hosts = ['A.example', 'x.b.example', 'c.example', 'b.example']\n");
    let warned: Vec<_> = warnings
        .iter()
        .filter(|one| one.contains("is not for"))
        .collect();
    assert!(unfit.is_empty(), "{warnings:?}");
    assert_eq!(warned.len(), 2, "{warnings:?}");
    assert!(warned[0].contains("c.example"), "{warned:?}");
    assert!(warned[1].contains("b.example"), "{warned:?}");
}

/// How many certificates a client gets, and the first one.
async fn shown(proxy: &Proxy) -> (usize, Vec<u8>) {
    let tcp = TcpStream::connect(proxy.h1.addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = TlsConnector::from(any_certificate().unwrap())
        .connect(name, tcp)
        .await
        .unwrap();
    let chain = tls.get_ref().1.peer_certificates().unwrap();
    (chain.len(), chain[0].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concatenated_chain_is_sent_with_its_issuer_and_an_active_certificate_is_not_replaced_by_a_worse_one()
 {
    let (authority, files) = (Authority::make(), Files::new());
    let deployment = Deployment::start().await;
    let glued = |server: &Server| format!("{}{}", server.pem.trim_end(), authority.issuer.pem());
    let good = authority.server(&["localhost", "b.example"], -1, 30);
    files.write(glued(&good).as_bytes(), good.key.as_bytes());
    let mut config: Config = deployment.config();
    config.tls.cert = Some(files.path("cert.pem"));
    config.tls.key = Some(files.path("key.pem"));
    config.proxy.hosts = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "b.example".to_owned(),
    ];
    let proxy = deployment.proxy_with(config);
    let (count, first) = shown(&proxy).await;
    assert_eq!(count, 2);
    let reload = async || {
        let request = http::Request::post("/reload").header("content-type", "application/json");
        proxy.admin.send(request.body("{}").unwrap()).await.text()
    };
    for (server, word) in [
        (
            authority.server(&["localhost", "b.example"], -30, -1),
            "expired on",
        ),
        (
            authority.server(&["localhost", "b.example"], 1, 30),
            "is not valid before",
        ),
        (
            authority.server(&["localhost"], -1, 30),
            "is not for b.example",
        ),
    ] {
        files.write(glued(&server).as_bytes(), server.key.as_bytes());
        let message = reload().await;
        assert!(message.contains("failed: "), "{message}");
        assert!(message.contains(word), "{message}");
        assert_eq!(shown(&proxy).await, (2, first.clone()), "{word}");
        assert!((proxy.metric("whipstitch_certificate_files_unusable").await - 1.0).abs() < 0.5);
    }
    let failed = r#"whipstitch_certificate_reloads_total{result="failed"}"#;
    assert!((proxy.metric(failed).await - 3.0).abs() < 0.5);
    let better = authority.server(&["localhost", "b.example", "c.example"], -1, 60);
    files.write(glued(&better).as_bytes(), better.key.as_bytes());
    assert!(reload().await.contains("\"certificates\":\"reloaded\""));
    assert_ne!(shown(&proxy).await.1, first);
    assert!(
        proxy
            .metric("whipstitch_certificate_files_unusable")
            .await
            .abs()
            < 0.5
    );
}
