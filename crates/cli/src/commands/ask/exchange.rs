//! One request to the admin interface and its answer, in HTTP/1.1.

use std::{fmt::Write as _, io, time::Duration};

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_util::task::TaskTracker;

use super::{Endpoint, Failure};
use crate::commands::show::Style;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer, in bytes: 9 900 sessions take four million.
const LONGEST: usize = 16 << 20;

/// Asks the running whipstitch.
#[derive(Debug)]
pub(crate) struct Asker {
    endpoint: Endpoint,
    /// How text for eyes looks.
    pub(crate) style: Style,
}

impl Asker {
    pub(super) fn new(endpoint: Endpoint, style: Style) -> Self {
        Self { endpoint, style }
    }

    /// What is at this path and query.
    pub(crate) async fn get(&self, target: &str) -> Result<Value, Failure> {
        self.exchange(Method::GET, target, Bytes::new()).await
    }

    /// What came of an order.
    pub(crate) async fn post(&self, target: &str, order: &Value) -> Result<Value, Failure> {
        self.exchange(Method::POST, target, order.to_string().into())
            .await
    }

    async fn exchange(&self, method: Method, target: &str, body: Bytes) -> Result<Value, Failure> {
        let host = match &self.endpoint {
            Endpoint::Socket(_) => "localhost",
            Endpoint::Address { authority } => authority.as_str(),
        };
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, host)
            .header(header::ACCEPT, "application/json")
            // On a change it keeps pages in browsers out, which cannot send it unasked.
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| Failure::usage(format_args!("{target}: {error}")))?;
        let exchange = async {
            match &self.endpoint {
                Endpoint::Socket(path) => self.talk(UnixStream::connect(path).await, request).await,
                Endpoint::Address { authority } => {
                    let port = authority.port_u16().unwrap_or(80);
                    let host = authority
                        .host()
                        .trim_start_matches('[')
                        .trim_end_matches(']');
                    self.talk(TcpStream::connect((host, port)).await, request)
                        .await
                }
            }
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::unreachable(format_args!(
                "no answer from {} in {} s: it is there, but busy or stuck",
                self.endpoint,
                PATIENCE.as_secs()
            ))),
        }
    }

    async fn talk<S>(
        &self,
        stream: io::Result<S>,
        request: Request<Full<Bytes>>,
    ) -> Result<Value, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = stream.map_err(|error| self.endpoint.unreachable(&error))?;
        let path = request.uri().path().to_owned();
        let broken = |error: &hyper::Error| self.broken(error);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        // Ends with the answer, or with the runtime.
        TaskTracker::new().spawn(connection);
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    let what = format_args!(
                        "{} answers with more than {LONGEST} bytes: this is no whipstitch",
                        self.endpoint
                    );
                    return Failure::unreachable(what);
                }
                match error.downcast::<hyper::Error>() {
                    Ok(error) => broken(&error),
                    Err(error) => Failure::unreachable(format_args!("{}: {error}", self.endpoint)),
                }
            })?;
        self.read(head.status, &path, &body.to_bytes())
    }

    fn broken(&self, error: &hyper::Error) -> Failure {
        let endpoint = &self.endpoint;
        if error.is_parse() {
            return Failure::unreachable(format_args!(
                "what answers at {endpoint} does not speak HTTP: this is no admin interface of whipstitch"
            ));
        }
        Failure::unreachable(format_args!(
            "whipstitch at {endpoint} went away before it had answered ({error}): was it stopped?"
        ))
    }

    /// The answer, or why there is none.
    fn read(&self, status: StatusCode, path: &str, body: &[u8]) -> Result<Value, Failure> {
        let endpoint = &self.endpoint;
        let value = serde_json::from_slice::<Value>(body).ok();
        if status.is_success() {
            return value.ok_or_else(|| {
                Failure::unreachable(format_args!(
                    "what answers at {endpoint} is no admin interface of whipstitch: {path} is no JSON"
                ))
            });
        }
        let said = value
            .as_ref()
            .and_then(|value| value.get("error")?.as_str());
        let words = said.map_or_else(
            || format!("{path} is answered with {status}"),
            str::to_owned,
        );
        Err(match (status, said) {
            (StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _) => Failure::refused(words),
            (StatusCode::BAD_REQUEST, Some(_)) => Failure::usage(words),
            (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, None) => {
                Failure::unreachable(format_args!(
                    "what answers at {endpoint} does not know {path}: it is no admin interface of whipstitch, or that of another version"
                ))
            }
            (_, Some(_)) => Failure::bad_news(words),
            (_, None) => Failure::unreachable(format_args!("{endpoint}: {words}")),
        })
    }
}

/// A word for the path or the query of a URL.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
