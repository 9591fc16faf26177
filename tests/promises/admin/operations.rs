//! Drain and reload on demand.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use whipstitch::shutdown::Drained;
use whipstitch_tests::Deployment;

use super::{closed, dialogue, over_socket, post, show, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_on_demand_leaves_a_process_that_answers_until_it_is_stopped() {
    let deployment = Deployment::start().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let mut config = deployment.config();
    config.admin.socket = Some(socket.clone());
    config.shutdown.delay = Duration::from_millis(300);
    let proxy = deployment.proxy_with(config);
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut dialogue = dialogue(&deployment, &proxy, 1).await;
    assert_eq!(
        over_socket(&socket, "GET", "/status", "").await.1["state"],
        "ready"
    );

    let (status, times) = over_socket(&socket, "POST", "/drain", "{\"wait\":false}").await;
    assert_eq!(status, 202);
    assert!(times["deadline_at"].as_u64() > times["began_at"].as_u64());
    assert_eq!(proxy.admin.get("/readyz").await.status, 503);
    // Load balancers have not noticed it yet.
    let late = proxy.h1.bare("OPTIONS", "/live/whip/endpoint/late").await;
    assert!(late.status.is_success(), "{late:?}");
    assert_eq!(closed(&mut dialogue).await, CloseCode::Away);
    dialogue.close().await;
    let drained = until(&proxy, "/status", |status| status["state"] == "drained").await;
    assert_eq!(drained["drain"]["outcome"], "whole");
    assert!(
        tokio::net::TcpStream::connect(proxy.h1.addr())
            .await
            .is_err()
    );
    assert_eq!(proxy.admin.get("/livez").await.status, 200);
    assert_eq!(
        over_socket(&socket, "POST", "/drain", "{\"wait\":true}").await,
        (200, times)
    );

    assert_eq!(proxy.drain().await, Drained::Whole);
    assert!(!socket.exists(), "the file of the socket goes with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_applies_a_new_certificate_at_once() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let before = show(&proxy, "/status").await;
    let certificate = &before["certificates"][0];
    assert_eq!(certificate["names"], json!(["localhost", "127.0.0.1"]));
    assert!(
        certificate["days_left"].as_i64().unwrap() > 300,
        "{certificate}"
    );

    let unchanged = post(&proxy, "/reload", "").await;
    let unchanged: Value = serde_json::from_slice(&unchanged.body).unwrap();
    assert_eq!(
        unchanged,
        json!({"settings": "none", "certificates": "unchanged", "session_keys": "none", "ice_secrets": "none", "nodes": "none"})
    );
    let made = rcgen::generate_simple_self_signed(["renewed.example".to_owned()]).unwrap();
    let write = |name, text: String| fs::write(deployment.certificate.file(name), text).unwrap();
    write("cert.pem", made.cert.pem());
    // A renewal that is half done changes nothing.
    let half: Value = serde_json::from_slice(&post(&proxy, "/reload", "{}").await.body).unwrap();
    assert!(
        half["certificates"]
            .as_str()
            .unwrap()
            .starts_with("failed: "),
        "{half}"
    );
    assert_eq!(
        show(&proxy, "/status").await["reloads"]["last_result"],
        "failed"
    );
    write("key.pem", made.signing_key.serialize_pem());
    let whole: Value = serde_json::from_slice(&post(&proxy, "/reload", "{}").await.body).unwrap();
    assert_eq!(whole["certificates"], "reloaded");
    let after = show(&proxy, "/status").await;
    assert_eq!(
        after["certificates"][0]["names"],
        json!(["renewed.example"])
    );
}
