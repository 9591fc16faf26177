//! `whipstitch doctor --replicas`: keys and clocks of several replicas.

use whipstitch::config::Config;
use whipstitch_tests::{Deployment, Proxy};

use super::{doctor, examined, https, rows, spoiled};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
const OTHER_KEY: &str = "HxweHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE=\n";
const SERVED: &str = "replicas: a session of one is served by the next";
const CLOCKS: &str = "replicas: their clocks agree within 5 s";
const AHEAD: &str = "replicas: none has seen a clock ahead by 30 s";

fn with_key(deployment: &Deployment, name: &str, key: &str) -> Config {
    let path = deployment.certificate.file(name);
    std::fs::write(&path, key).unwrap();
    let mut config = deployment.config();
    config.sessions.key_file = Some(path);
    config
}

fn line(one: &Proxy, other: &Proxy) -> String {
    let urls = format!("{},{}", https(one), https(other));
    format!(
        "{} --insecure --client rfc-whip --replicas={urls}",
        https(one)
    )
}

fn count(rows: &[String], row: &str) -> usize {
    rows.iter().filter(|one| *one == row).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_with_one_key_are_one() {
    let deployment = Deployment::start().await;
    let one = deployment.proxy_with(with_key(&deployment, "a.key", KEY));
    let other = deployment.proxy_with(with_key(&deployment, "b.key", KEY));
    let (code, document) = examined(&line(&one, &other)).await;
    assert_eq!(
        (code, rows(&document, "failed")),
        (0, Vec::new()),
        "{document:#}"
    );
    let ok = rows(&document, "ok");
    assert_eq!(
        (count(&ok, SERVED), count(&ok, CLOCKS)),
        (2, 1),
        "{document:#}"
    );
    let nodes = deployment.cluster.nodes().iter();
    let left: usize = nodes.map(whipstitch_minicluster::Node::sessions).sum();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_with_other_keys_are_found() {
    let deployment = Deployment::start().await;
    let one = deployment.proxy_with(with_key(&deployment, "a.key", KEY));
    let other = deployment.proxy_with(with_key(&deployment, "b.key", OTHER_KEY));
    let exit = doctor(&line(&one, &other)).await;
    assert_eq!(exit.code, 1, "{exit:?}");
    for words in [
        "FAILED  the replicas",
        "404 Not Found",
        "try     sessions.key_file",
    ] {
        assert!(exit.out.contains(words), "{words}: {}", exit.out);
    }
    let nodes = deployment.cluster.nodes().iter();
    let left: usize = nodes.map(whipstitch_minicluster::Node::sessions).sum();
    assert_eq!(left, 0, "what the other did not end is ended by the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_is_found_by_date_and_by_metric() {
    let (right, _one) = spoiled(|_, _| {}).await;
    let (fast, _other) = spoiled(|_, response| {
        let date = "Fri, 01 Jan 2100 00:00:00 GMT".parse().unwrap();
        response.headers_mut().insert("date", date);
    })
    .await;
    let (metrics, _page) = spoiled(|_, response| {
        *response.body_mut() = "whipstitch_replica_clock_ahead_seconds 31.5\n".into();
    })
    .await;
    let line = format!(
        "http://{right}/cam/whip --client obs --replicas=http://{right},http://{fast} \
         --metrics http://{metrics}/metrics"
    );
    let exit = doctor(&line).await;
    assert_eq!(exit.code, 1, "{exit:?}");
    for words in [
        format!("s ahead of http://{right}"),
        "another replica's clock was 31.5 s ahead".to_owned(),
    ] {
        assert!(exit.out.contains(&words), "{words}: {}", exit.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metric_of_a_real_replica_is_read() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let line = format!(
        "{} --insecure --client rfc-whip --metrics http://{}/metrics",
        https(&proxy),
        proxy.admin.addr()
    );
    let (_, document) = examined(&line).await;
    assert_eq!(count(&rows(&document, "ok"), AHEAD), 1, "{document:#}");
}

#[tokio::test]
async fn one_replica_is_not_enough() {
    let (addr, _server) = spoiled(|_, _| {}).await;
    for line in [
        format!("http://{addr}/cam/whip --client obs --replicas"),
        format!("http://{addr}/cam/whip --client obs --replicas=http://{addr}"),
    ] {
        let exit = doctor(&line).await;
        assert_eq!((exit.code, exit.out.as_str()), (2, ""), "{line}");
        assert!(exit.err.contains("1 found, 2 to 16 needed"), "{}", exit.err);
    }
}
