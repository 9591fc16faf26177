//! What `whipstitch doctor` says to the mistakes that are made most.

use http_body_util::Full;
use whipstitch_tests::Deployment;

use super::{doctor, https, spoiled};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_endpoints_is_one_line() {
    for status in [404, 405, 501] {
        let (addr, _server) = match status {
            404 => spoiled(|_, response| refuse(response, 404)).await,
            405 => spoiled(|_, response| refuse(response, 405)).await,
            _ => spoiled(|_, response| refuse(response, 501)).await,
        };
        let exit = doctor(&format!("http://{addr}")).await;
        assert_eq!((exit.code, exit.out.as_str()), (2, ""), "{exit:?}");
        assert_eq!(exit.err.lines().count(), 1, "{}", exit.err);
        let words = "no WHIP or WHEP endpoint here (POST /live/whip/endpoint/doctor-";
        assert!(exit.err.contains(words), "{}", exit.err);
        assert!(exit.err.contains(&status.to_string()), "{}", exit.err);
    }
}

fn refuse(response: &mut http::Response<Full<bytes::Bytes>>, status: u16) {
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    *response.body_mut() = Full::from("<html>");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_and_https_on_the_wrong_port() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let (tls, plain) = (proxy.h1.addr(), proxy.plain.addr());
    for (url, words) in [
        (
            format!("http://{tls}"),
            format!("this port speaks TLS: write https://{tls}"),
        ),
        (
            format!("https://{plain} --insecure"),
            format!("this port speaks plain HTTP: write http://{plain}"),
        ),
    ] {
        let exit = doctor(&url).await;
        assert_eq!((exit.code, exit.out.as_str()), (2, ""), "{exit:?}");
        assert!(exit.err.contains(&words), "{words}: {}", exit.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_refused_in_words() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let exit = doctor(&https(&proxy)).await;
    assert_eq!(exit.code, 2);
    for words in [
        "its issuer is not known here",
        "Browsers and encoders refuse it too",
        "--ca",
    ] {
        assert!(exit.err.contains(words), "{}", exit.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_live_is_told_from_one_that_is() {
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let line = format!(
        "{} --insecure --only-read --stream nosuch --client rfc-whep",
        https(&proxy)
    );
    let exit = doctor(&line).await;
    assert_eq!(exit.code, 1, "{exit:?}");
    let words = "try     --stream with the name of a stream that is live now";
    assert!(exit.out.contains(words), "{}", exit.out);
    assert!(!exit.out.contains("not published"), "{}", exit.out);
}
