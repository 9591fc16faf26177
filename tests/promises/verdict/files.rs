//! Causes in files: certificate, session keys, TURN secrets, configuration.

use std::{fs, time::Duration};

use serde_json::Value;
use whipstitch_minicluster::Config as ClusterConfig;
use whipstitch_tests::deployment::Certificate;

use super::Setup;

const KEYS: &str = "c2Vzc2lvbi1rZXktb2YtdGhpcnR5LXR3by1ieXRlcyE=\n";

impl Setup {
    /// Puts another certificate in the files.
    fn install(&self, other: &Certificate) {
        for name in ["cert.pem", "key.pem"] {
            fs::copy(other.file(name), self.deployment.certificate.file(name)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_soon_is_told() {
    let setup = Setup::start().await;
    let names = ["localhost", "127.0.0.1"];
    for (days, severity) in [(10, "warning"), (2, "action_required")] {
        setup.install(&Certificate::lasting(&names, days));
        assert!(setup.reload().await);
        let text = setup.tells("certificate-ending", severity).await;
        assert!(text.contains("localhost expires in "), "{text}");
    }
    setup.install(&Certificate::lasting(&names, 90));
    assert!(setup.reload().await);
    setup.is_healthy().await;
}

/// By the clock on the wall, which is not stopped here: it is good when it is read, and not two
/// seconds later.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_expires_while_it_is_in_use_is_told() {
    let setup = Setup::start().await;
    let names = ["localhost", "127.0.0.1"];
    setup.install(&Certificate::ending_in(&names, Duration::from_secs(2)));
    assert!(setup.reload().await);
    let has_expired = |verdict: &Value| {
        let cause = &verdict["causes"][0];
        cause["text"] == "The certificate of localhost has expired: clients refuse it."
    };
    setup.until("expired", has_expired).await;
    let text = setup.tells("certificate-ending", "action_required").await;
    assert!(text.contains("has expired"), "{text}");
    setup.install(&Certificate::lasting(&names, 90));
    assert!(setup.reload().await);
    setup.is_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_used_and_its_reload_are_told() {
    let setup = Setup::start().await;
    let cert = setup.deployment.certificate.file("cert.pem");
    let former = fs::read(&cert).unwrap();
    fs::write(&cert, "no certificate").unwrap();
    assert!(!setup.reload().await);
    let text = setup.tells("certificate-unusable", "action_required").await;
    assert!(text.contains("cert.pem"), "{text}");
    let text = setup.tells("reload-failed", "warning").await;
    assert!(text.contains("certificate: "), "{text}");
    fs::write(&cert, former).unwrap();
    assert!(setup.reload().await);
    setup.is_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn session_keys_that_cannot_be_used_require_an_action() {
    let setup = Setup::with(ClusterConfig::default(), |deployment, config| {
        let keys = deployment.certificate.file("session.key");
        fs::write(&keys, KEYS).unwrap();
        config.sessions.key_file = Some(keys);
    })
    .await;
    let keys = setup.deployment.certificate.file("session.key");
    fs::write(&keys, "short\n").unwrap();
    assert!(!setup.reload().await);
    let text = setup
        .tells("session-keys-unusable", "action_required")
        .await;
    assert!(text.contains("session.key"), "{text}");
    fs::write(&keys, KEYS).unwrap();
    assert!(setup.reload().await);
    setup.is_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_secret_that_cannot_be_used_is_a_warning() {
    let setup = Setup::with(ClusterConfig::default(), |deployment, config| {
        let secret = deployment.certificate.file("turn.secret");
        fs::write(&secret, "north\n").unwrap();
        config.ice.servers = vec!["turn:t.example.com".parse().unwrap()];
        config.ice.turn_secret_file = Some(secret);
    })
    .await;
    let secret = setup.deployment.certificate.file("turn.secret");
    fs::write(&secret, "").unwrap();
    assert!(!setup.reload().await);
    let text = setup.tells("ice-secret-unusable", "warning").await;
    assert!(text.contains("turn.secret"), "{text}");
    fs::write(&secret, "north\n").unwrap();
    assert!(setup.reload().await);
    setup.is_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_mistakes_is_a_warning() {
    let setup = Setup::start().await;
    let good = fs::read_to_string(&setup.file).unwrap();
    fs::write(&setup.file, good.replace("[nodes]", "[nodse]")).unwrap();
    assert!(!setup.reload().await);
    let text = setup.tells("configuration-unusable", "warning").await;
    assert!(text.contains("nodse"), "{text}");
    fs::write(&setup.file, good).unwrap();
    assert!(setup.reload().await);
    setup.is_healthy().await;
}
