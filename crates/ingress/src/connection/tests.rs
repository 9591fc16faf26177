//! Over sockets of loopback, on one thread: what a test has sent is in the server's kernel, and the
//! server has not seen it yet.

use std::{
    future::poll_fn,
    mem::MaybeUninit,
    net::Ipv4Addr,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
};

use prometheus::Registry;
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tower::service_fn;

use super::*;
use crate::Metrics;

const SOON: Duration = Duration::from_secs(10);

/// A client, and the server's side of its connection.
pub(super) async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

pub(super) fn terms<'a>(limits: &'a Connections, room: &Arc<Room>) -> Terms<'a> {
    Terms {
        limits,
        drain: CancellationToken::new(),
        room: room.clone(),
        refusals: Refusals::new(Metrics::register(&Registry::new()).unwrap()),
        client: (Ipv4Addr::LOCALHOST, 1).into(),
    }
}

pub(super) fn limits(header: u64, idle: u64) -> Connections {
    Connections {
        header_timeout: Duration::from_millis(header),
        idle_timeout: Duration::from_millis(idle),
        ..Connections::default()
    }
}

/// Everything until the text has come.
async fn until(client: &mut TcpStream, text: &str) {
    let mut read = String::new();
    while !read.contains(text) {
        let mut piece = [0; 1024];
        let length = timeout(SOON, client.read(&mut piece)).await;
        let length = length.expect("in time").unwrap();
        assert_ne!(length, 0, "ended: {read}");
        read.push_str(std::str::from_utf8(&piece[..length]).unwrap());
    }
}

#[tokio::test]
async fn a_request_whose_header_was_refused_as_too_slow_is_not_served_afterwards() {
    let (mut client, server) = connected().await;
    let calls: &'static AtomicUsize = Box::leak(Box::default());
    let service = service_fn(move |_: Request<Incoming>| async move {
        calls.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let (limits, room) = (limits(50, 1_000), Arc::default());
    let server = serve(Socket::plain(server), service, terms(&limits, &room));
    let late = async {
        client
            .write_all(b"DELETE / HTTP/1.1\r\nHost: a\r\n")
            .await
            .unwrap();
        until(&mut client, "HTTP/1.1 408 ").await;
        client.write_all(b"\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = timeout(SOON, client.read_to_end(&mut rest))
            .await
            .expect("an end");
    };
    tokio::join!(server, late);
    assert_eq!(calls.load(Ordering::SeqCst), 0, "the client was told 408");
}

#[tokio::test]
async fn the_body_of_a_request_that_was_answered_early_is_not_taken_for_a_header() {
    let (mut client, server) = connected().await;
    let (called, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (calls, may_answer) = (called.clone(), answer.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (calls, may_answer) = (calls.clone(), may_answer.clone());
        async move {
            calls.notify_one();
            may_answer.notified().await;
            drop(request);
            Ok::<_, Infallible>(Response::new("early".to_owned()))
        }
    });
    let (limits, room) = (limits(100, 400), Arc::default());
    let server = serve(Socket::plain(server), service, terms(&limits, &room));
    let early = async {
        for _ in 0..2 {
            let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
            client.write_all(head).await.unwrap();
            called.notified().await;
            // hyper reads one piece in advance; the second one waits in the kernel.
            for piece in [b"v=", b"0\n"] {
                client.write_all(piece).await.unwrap();
                // The runtime looks for new bytes before it runs a timer.
                sleep(Duration::from_millis(1)).await;
            }
            answer.notify_one();
            until(&mut client, "early").await;
        }
        let mut rest = String::new();
        let read = client.read_to_string(&mut rest);
        timeout(SOON, read).await.expect("an end").unwrap();
        assert_eq!(rest, "", "an idle connection ends without a word");
    };
    tokio::join!(server, early);
}

#[tokio::test]
async fn the_header_after_a_request_with_a_body_is_guarded() {
    let (mut client, server) = connected().await;
    let service = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new("early".to_owned()))
    });
    // A task of its own: only what comes from the client wakes it.
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (limits, room) = (limits(100, 60_000), Arc::default());
        serve(Socket::plain(server), service, terms(&limits, &room)).await;
    });
    let whole = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nv=0";
    client.write_all(whole).await.unwrap();
    until(&mut client, "early").await;
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    until(&mut client, "HTTP/1.1 408 ").await;
}

#[tokio::test]
async fn a_connection_that_declines_to_end_asks_the_next_one() {
    let (mut client, server) = connected().await;
    let service = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new("served".to_owned()))
    });
    let (limits, room) = (limits(10_000, 60_000), Arc::new(Room::default()));
    let kernel = socket2::SockRef::from(&server).try_clone().unwrap();
    let mut server = pin!(serve(Socket::plain(server), service, terms(&limits, &room)));
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let answered = async {
        client.write_all(get).await.unwrap();
        until(&mut client, "served").await;
    };
    tokio::select! {
        () = &mut server => panic!("the server ended"),
        () = answered => {}
    }
    let (mut next, place) = (pin!(room.needed()), std::future::pending::<()>());
    let mut ask = pin!(room.ask_until(place));
    // Nothing is awaited in between: the kernel has the request, and the runtime has not seen it.
    let is_asked = poll_fn(|cx| {
        assert!(next.as_mut().poll(cx).is_pending());
        assert_eq!(client.try_write(get).unwrap(), get.len());
        let began = Instant::now();
        while kernel.peek(&mut [MaybeUninit::uninit()]).is_err() && began.elapsed() < SOON {
            std::thread::yield_now();
        }
        assert!(ask.as_mut().poll(cx).is_pending());
        assert!(server.as_mut().poll(cx).is_pending());
        Poll::Ready(next.as_mut().poll(cx).is_ready())
    })
    .await;
    assert!(is_asked, "the next connection is asked at once");
    tokio::select! {
        () = &mut server => panic!("the server ended"),
        () = until(&mut client, "served") => {}
    }
}

/// Both ends of a TLS connection.
async fn secured() -> (impl AsyncRead + AsyncWrite + Unpin, Socket) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (near, far) = connected().await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let (client, server) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    (client.unwrap(), Socket::tls(server.unwrap()))
}

#[tokio::test]
async fn a_connection_is_idle_when_tls_has_sent_what_waited_in_it() {
    let (mut client, socket) = secured().await;
    let (limits, activity) = (limits(1_000, 1_000), Activity::default());
    let room = Arc::default();
    let refusals = terms(&limits, &room).refusals;
    let address = (Ipv4Addr::LOCALHOST, 1).into();
    let mut wire = Wire::new(socket, activity.clone(), refusals, address);
    drop(activity.begin(false));
    let piece = [0; 1024];
    // The client reads nothing yet: in the end TLS takes what the socket does not.
    poll_fn(|cx| {
        loop {
            let written = Pin::new(&mut wire).poll_write(cx, &piece);
            assert!(matches!(written, Poll::Ready(Ok(1..))), "{written:?}");
            if Pin::new(&mut wire).poll_flush(cx).is_pending() {
                return Poll::Ready(());
            }
        }
    })
    .await;
    assert_eq!(activity.deadline(&limits), None);
    let mut sink = tokio::io::sink();
    let reads = tokio::io::copy(&mut client, &mut sink);
    tokio::select! {
        flushed = timeout(SOON, wire.flush()) => flushed.expect("in time").unwrap(),
        read = reads => panic!("the client ended: {read:?}"),
    }
    assert!(activity.is_idle());
    let due = activity.deadline(&limits);
    assert!(due.is_some());
    wire.flush().await.unwrap();
    assert_eq!(
        activity.deadline(&limits),
        due,
        "a flush of nothing changes nothing"
    );
}

/// Accepted when the process stops, and nothing has come: with socket activation the successor
/// never sees this connection.
#[tokio::test]
async fn a_connection_without_a_byte_is_served_for_a_second_when_the_process_stops() {
    let (mut client, server) = connected().await;
    let service = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new("served".to_owned()))
    });
    let (limits, room) = (limits(10_000, 60_000), Arc::default());
    let terms = terms(&limits, &room);
    terms.drain.cancel();
    let mut server = pin!(serve(Socket::plain(server), service, terms));
    poll_fn(|cx| {
        assert!(server.as_mut().poll(cx).is_pending(), "it waits");
        Poll::Ready(())
    })
    .await;
    let asked = async {
        let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        client.write_all(get).await.unwrap();
        let mut answer = String::new();
        let read = client.read_to_string(&mut answer);
        timeout(SOON, read).await.expect("an end").unwrap();
        answer
    };
    let ((), answer) = tokio::join!(server, asked);
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("served"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_stays_silent_is_ended_a_second_after_the_stop() {
    let (mut client, server) = connected().await;
    let service = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let (limits, room) = (limits(10_000, 60_000), Arc::default());
    let terms = terms(&limits, &room);
    terms.drain.cancel();
    let began = Instant::now();
    let silent = async {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        (began.elapsed(), answer)
    };
    let server = serve(Socket::plain(server), service, terms);
    let ((), (took, answer)) = tokio::join!(server, silent);
    assert_eq!(answer, b"");
    assert!(took >= FIRST_BYTE && took < FIRST_BYTE * 2, "{took:?}");
}
