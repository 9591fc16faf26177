use std::collections::HashSet;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const WAITED: Duration = Duration::from_secs(2);

fn of(error: &(dyn Error + 'static)) -> String {
    Cause::of(error, WAITED).to_string()
}

#[test]
fn each_kind_of_socket_error_has_the_words_of_the_field() {
    use io::ErrorKind as Kind;
    for (kind, words) in [
        (Kind::ConnectionRefused, "connection refused"),
        (Kind::ConnectionReset, "connection reset"),
        (Kind::HostUnreachable, "no route to host"),
        (Kind::NetworkUnreachable, "no route to host"),
        (Kind::TimedOut, "timeout after 2 s"),
        (Kind::UnexpectedEof, "connection closed before the answer"),
        (Kind::Other, "the connection failed"),
    ] {
        assert_eq!(of(&io::Error::from(kind)), words, "{kind:?}");
    }
    // Too many open files.
    let files = of(&io::Error::from_raw_os_error(24));
    assert!(files.contains("open files"), "{files}");
}

#[test]
fn the_reason_is_found_below_what_wraps_it() {
    let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
    assert_eq!(of(&wrapped), "TLS: unknown issuer of the certificate");
    assert_eq!(
        of(&io::Error::other(ResolveError::NoSuchName)),
        "no such name"
    );
}

#[test]
fn the_words_of_the_certificate_verifier_are_cut_and_printable() {
    let name = rustls_pki_types_name();
    let error = rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
        expected: name,
        presented: vec![format!("\u{1b}[31m{}", "x".repeat(1_000))],
    });
    let words = of(&error);
    assert!(words.starts_with("TLS: "), "{words}");
    assert!(words.contains("sm.example.com"), "{words}");
    assert!(!words.chars().any(char::is_control), "{words:?}");
    assert!(words.chars().count() <= MAX_DETAIL + "TLS: ".len());
}

fn rustls_pki_types_name() -> rustls::pki_types::ServerName<'static> {
    "sm.example.com".try_into().unwrap()
}

#[test]
fn each_cause_has_a_label_of_its_own_and_a_kind_of_the_closed_set() {
    let all = [
        Cause::Refused,
        Cause::NoRoute,
        Cause::Name(ResolveError::NoSuchName),
        Cause::Name(ResolveError::Busy),
        Cause::Timeout(WAITED),
        Cause::Tls("".into()),
        Cause::Reset,
        Cause::Closed,
        Cause::NotHttp,
        Cause::Status(500),
        Cause::NotJson,
        Cause::TooLong(1),
        Cause::Stopping,
        Cause::Other("".into()),
    ];
    let labels: HashSet<_> = all.iter().map(Cause::label).collect();
    assert_eq!(labels.len(), all.len());
    let kinds: HashSet<_> = all.iter().map(Cause::kind).collect();
    assert_eq!(kinds, HashSet::from(Cause::KINDS));
}

#[test]
fn times_are_read_by_people() {
    for (millis, words) in [
        (500, "500 ms"),
        (1_000, "1 s"),
        (2_004, "2 s"),
        (1_500, "1.5 s"),
        (61_000, "61 s"),
    ] {
        assert_eq!(Seconds(Duration::from_millis(millis)).to_string(), words);
    }
}

/// What a real client says when a server does this with its connection.
async fn asked(server: Option<&'static [u8]>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("http://{addr}/"))
        .body(Empty::new())
        .unwrap();
    let serve = async {
        let Some(bytes) = server else {
            drop(listener);
            return;
        };
        let (mut socket, _) = listener.accept().await.unwrap();
        assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0);
        socket.write_all(bytes).await.unwrap();
    };
    let (answer, ()) = tokio::join!(
        async {
            // Polled after the listener is gone, where there is to be none.
            tokio::task::yield_now().await;
            client.request(request).await
        },
        serve
    );
    of(&answer.unwrap_err())
}

#[tokio::test]
async fn what_real_clients_run_into_is_told_apart() {
    assert_eq!(asked(None).await, "connection refused");
    assert_eq!(
        asked(Some(b"")).await,
        "connection closed before the answer"
    );
    // A TLS alert: what a TLS port says to plain HTTP.
    assert_eq!(
        asked(Some(b"\x15\x03\x01\x00\x02\x02\x46")).await,
        "the answer is not HTTP; does the port speak TLS?"
    );
}
