//! Red5's HTML SDK over WHIP and WHEP: what its releases send, and how they read the answers.
//!
//! | release | what it does differently from the one before |
//! |---|---|
//! | 11.0.0 | `OPTIONS` has `transcode` alone of all connection parameters, `POST` has all the others |
//! | 12.0.0 | `OPTIONS` has them all; with `disableProxy`, `host=` of `Session-Host` is added, to the path if there is no query |
//! | 12.2.0 | `host=` is added by default, and properly |
//! | 13.0.0 | `PATCH` and `DELETE` have the connection parameters too |
//! | 15.0.0 | an `OPTIONS` that is answered with neither 200 nor 204 is an error |
//!
//! Nothing is percent-encoded, and no request has `Authorization` or `If-Match` (red5pro-webrtc-sdk
//! 11.0.0 to 15.0.0, `WhipWhepSignalingHelper`).

use futures_util::future::BoxFuture;
use http::{Request, Uri};

use crate::{Client, Reply, http::path_of, kept::Kept};

/// A release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// 11.0.0.
    V11,
    /// 12.0.0, with `disableProxy`.
    V12_0,
    /// 12.2.0.
    V12_2,
    /// 13.0.0.
    V13,
    /// 15.0.0.
    V15,
}

impl Release {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::V11, Self::V12_0, Self::V12_2, Self::V13, Self::V15];
}

/// A page with the SDK, and one stream of it.
pub struct Sdk {
    client: Client,
    /// The connection for all of it, instead of one for each request.
    kept: Option<Kept>,
    release: Release,
    /// The URL of the endpoint, without what each request adds.
    endpoint: String,
    /// `connectionParams`, as `key=value` joined by `&`.
    params: String,
    /// The value of `Session-Host`.
    pub host: Option<String>,
    /// The URL of the session.
    pub resource: Option<String>,
}

impl Sdk {
    /// A `WHIPClient` of this stream in the application `live`.
    pub fn publisher(client: &Client, release: Release, stream: &str, params: &str) -> Self {
        let path = format!("/live/whip/endpoint/{stream}");
        Self::new(client, release, &path, params)
    }

    /// A `WHEPClient` with this `subscriptionId`.
    pub fn player(client: &Client, release: Release, stream: &str, id: &str) -> Self {
        let path = format!("/live/whep/endpoint/{stream}?requestId={id}");
        Self::new(client, release, &path, "")
    }

    /// Any endpoint.
    pub fn new(client: &Client, release: Release, path: &str, params: &str) -> Self {
        Self {
            client: client.clone(),
            kept: None,
            release,
            endpoint: format!("https://localhost:{}{path}", client.addr().port()),
            params: params.to_owned(),
            host: None,
            resource: None,
        }
    }

    /// From now on `OPTIONS`, `POST` and [`begin_delete`](Self::begin_delete) go over one
    /// connection, as a browser's do.
    pub async fn keep(&mut self) {
        self.kept = Some(self.client.keep().await);
    }

    async fn send(&mut self, request: Request<String>) -> Reply {
        match &mut self.kept {
            Some(kept) => kept.send(request).await,
            None => self.client.send(request).await,
        }
    }

    /// The explicit `OPTIONS`.
    pub async fn options(&mut self) -> Reply {
        let params = match self.release {
            Release::V11 => only(&self.params, |key| key == "transcode"),
            _ => self.params.clone(),
        };
        let url = with(&self.endpoint, &["signal=true", &params]);
        let request = Request::options(path_of(&url)).body(String::new()).unwrap();
        let reply = self.send(request).await;
        let read = matches!(reply.status.as_u16(), 200 | 204);
        assert!(read || self.release < Release::V15, "Failed to get options");
        if read && self.release >= Release::V12_0 {
            self.host = reply.headers.get("session-host").map(|host| {
                let host = host.to_str().unwrap();
                host.to_owned()
            });
        }
        reply
    }

    /// The `POST` of an offer, which may be empty in a player.
    pub async fn post(&mut self, offer: &str) -> Reply {
        let params = only(&self.params, |key| key != "transcode");
        let url = with(
            &self.endpoint,
            &[
                "signal=true",
                &params,
                "mode=live&keyFramerate=3000",
                &self.pinned(),
            ],
        );
        let request = Request::post(path_of(&url)).header("content-type", "application/sdp");
        let request = request.body(offer.to_owned()).unwrap();
        let reply = self.send(request).await;
        if reply.status.is_success() {
            self.resource = Some(self.located(reply.header("location")));
        }
        reply
    }

    /// The `PATCH` of an answer.
    pub async fn answer(&self, sdp: &str) -> Reply {
        self.patch("application/sdp", sdp).await
    }

    /// The one `PATCH` of candidates.
    pub async fn trickle(&self) -> Reply {
        let fragment = "a=ice-ufrag:x\r\na=ice-pwd:y\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=end-of-candidates\r\n";
        self.patch("application/trickle-ice-sdpfrag", fragment)
            .await
    }

    /// The `DELETE`.
    pub async fn delete(&self) -> Reply {
        self.client.bare("DELETE", &self.session_target()).await
    }

    /// The `DELETE` over the kept connection, sent; its answer may come while something else is
    /// asked.
    pub async fn begin_delete(&mut self) -> BoxFuture<'static, Reply> {
        let request = Request::delete(self.session_target()).body("").unwrap();
        self.kept.as_mut().unwrap().begin(request).await
    }

    async fn patch(&self, media: &str, body: &str) -> Reply {
        let request = Request::patch(self.session_target()).header("content-type", media);
        let reply = self.client.send(request.body(body.to_owned()).unwrap());
        reply.await
    }

    /// `host=` with the value of `Session-Host`, where this release adds it.
    fn pinned(&self) -> String {
        match &self.host {
            Some(host) if self.release >= Release::V12_0 => format!("host={host}"),
            _ => String::new(),
        }
    }

    /// The target of `PATCH` and `DELETE`.
    pub fn session_target(&self) -> String {
        let resource = self.resource.as_deref().unwrap();
        let url = match self.release {
            // Its bug: it never writes a `?`.
            Release::V12_0 if !self.pinned().is_empty() => format!("{resource}&{}", self.pinned()),
            Release::V11 | Release::V12_0 => resource.to_owned(),
            Release::V12_2 => with(resource, &[&self.pinned()]),
            Release::V13 | Release::V15 => {
                let params = only(&self.params, |key| key != "transcode");
                with(resource, &[&params, &self.pinned()])
            }
        };
        path_of(&url)
    }

    /// The session's URL by the rules of the SDK: an absolute one unchanged; of another only the
    /// path, which replaces that of the endpoint; then the first `/endpoint/` becomes `/resource/`.
    /// None: the last.
    pub fn located(&self, location: &str) -> String {
        if location.starts_with("http") {
            return location.to_owned();
        }
        let endpoint: Uri = self.endpoint.parse().unwrap();
        let path = match location.split('?').next().unwrap() {
            "" => endpoint.path(),
            path => path,
        };
        let (scheme, authority) = (endpoint.scheme().unwrap(), endpoint.authority().unwrap());
        let query = endpoint.query().map(|query| format!("?{query}"));
        let url = format!("{scheme}://{authority}{path}{}", query.unwrap_or_default());
        url.replacen("/endpoint/", "/resource/", 1)
    }
}

/// What the SDK's parser makes of the `Link` values of an answer, which a browser gives it as one:
/// the URL and the attributes of an ICE server, or nothing without `rel="ice-server"`. Its
/// `TypeError` is a panic here.
pub fn ice_server(reply: &Reply) -> Option<(String, Vec<(String, String)>)> {
    let values: Vec<&str> = reply
        .headers
        .get_all("link")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    let joined = values.join(", ");
    if !joined.contains(r#"rel="ice-server""#) {
        return None;
    }
    let (mut url, mut attributes) = (String::new(), Vec::new());
    for segment in joined.split(';').map(str::trim) {
        if let Some(rest) = segment.strip_prefix('<') {
            rest[..rest.len() - 1].clone_into(&mut url);
        } else {
            let mut parts = segment.split('=');
            let name = parts.next().unwrap().to_owned();
            let value = parts.next().expect("a TypeError in the SDK");
            attributes.push((name, value.replace('"', "")));
        }
    }
    Some((url, attributes))
}

/// A URL with more pairs in its query.
fn with(url: &str, more: &[&str]) -> String {
    let mut url = url.to_owned();
    for pairs in more.iter().filter(|pairs| !pairs.is_empty()) {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(pairs);
    }
    url
}

fn only(params: &str, keep: impl Fn(&str) -> bool) -> String {
    let kept: Vec<&str> = params
        .split('&')
        .filter(|pair| !pair.is_empty() && keep(pair.split('=').next().unwrap()))
        .collect();
    kept.join("&")
}
