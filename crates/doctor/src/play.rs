//! One client's visit, step by step. It deletes every session that it creates.

mod extra;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio_util::sync::CancellationToken;

use crate::{
    Role,
    answer::{Answer, Exchange},
    client::{Bearer, Client, CounterOffer, Extra, UrlStyle},
    cors, sdp,
    target::{Manager, Target},
    transcript::{Step, Transcript},
    url::Url,
    wire::{Ask, Wire},
};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// What all visits of a run share.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'s> {
    /// How the server is reached.
    pub(crate) wire: &'s Wire,
    /// The server under test.
    pub(crate) target: &'s Target,
    /// The origin of pages.
    pub(crate) origin: &'s str,
    /// Cancelled when the run has to stop: no new session is created, and open ones are deleted.
    pub(crate) stop: &'s CancellationToken,
}

/// A running visit.
pub(crate) struct Visit<'s> {
    environment: &'s Environment<'s>,
    client: &'static Client,
    side: sdp::Side,
    /// `Session-Host` of the answer to `OPTIONS`.
    host: Option<String>,
    /// The answers so far.
    pub(crate) transcript: Transcript,
}

impl<'s> Visit<'s> {
    /// A visit of this client to an endpoint of this stream.
    pub(crate) fn new(
        environment: &'s Environment<'s>,
        client: &'static Client,
        stream: &str,
    ) -> Self {
        let endpoint = environment.target.endpoint(client.role, stream);
        let mut transcript = Transcript::new(
            client.role,
            client.reading(),
            endpoint,
            environment.origin.to_owned(),
        );
        transcript.required = environment.target.is_required(client.role);
        transcript.live = environment.target.live;
        let mut visit = Self {
            environment,
            client,
            side: sdp::Side::new(),
            host: None,
            transcript,
        };
        let endpoint = visit.transcript.endpoint.clone();
        visit.transcript.endpoint = visit.addressed(endpoint);
        visit
    }

    /// The ICE user fragment of its description.
    pub(crate) fn ufrag(&self) -> &str {
        self.side.ufrag()
    }

    /// From the first question to the end of the session.
    pub(crate) async fn play(mut self, stream: &str) -> Transcript {
        if self.client.behaviour.probes {
            self.probe(stream).await;
        }
        if self.client.behaviour.extra == Extra::Retries {
            self.not_live(stream).await;
        }
        self.begin().await;
        self.trickle().await;
        self.extra(stream).await;
        self.end().await;
        self.transcript
    }

    /// Creates the session and answers the server's offer.
    pub(crate) async fn begin(&mut self) {
        if self.environment.stop.is_cancelled() {
            return;
        }
        let behaviour = &self.client.behaviour;
        if behaviour.options {
            let url = self.opening("signal=true");
            self.step(Step::Options, Method::OPTIONS, url, &[], String::new())
                .await;
            self.read_host();
        }
        let url = match behaviour.url_style {
            UrlStyle::Plain => self.transcript.endpoint.clone(),
            UrlStyle::Red5 { post, .. } => self.opening("signal=true").and(post).and(&self.pin()),
        };
        let offer = self.side.offer(self.client.role);
        self.step(
            Step::Post,
            Method::POST,
            url,
            &[("content-type", SDP.to_owned())],
            offer,
        )
        .await;
        let Some(created) = self.transcript.created().cloned() else {
            return;
        };
        self.transcript.session = (behaviour.session)(&created, &self.transcript.endpoint);
        self.answer(&created).await;
    }

    /// The answer to an offer of the server's, where the client gives one.
    async fn answer(&mut self, created: &Answer) {
        let answers = match self.client.behaviour.counter {
            CounterOffer::None => false,
            CounterOffer::On406 => created.status == 406,
            CounterOffer::Always => created.is_success(),
        };
        if self.client.role == Role::Publish || !answers {
            return;
        }
        if let Some(url) = self.session() {
            let body = self.side.answer(&created.body);
            let headers = [("content-type", SDP.to_owned())];
            self.step(Step::AnswerPatch, Method::PATCH, url, &headers, body)
                .await;
        }
    }

    async fn trickle(&mut self) {
        let Some(mut headers) = (self.client.behaviour.trickle)(&self.transcript) else {
            return;
        };
        if let Some(url) = self.session() {
            headers.push(("content-type", FRAGMENT.to_owned()));
            let body = self.side.fragment();
            self.step(Step::Trickle, Method::PATCH, url, &headers, body)
                .await;
        }
    }

    /// Ends the session by the URL that the client derives; if that fails, or the client treats the
    /// answer as an error, by the URL of `Location`.
    pub(crate) async fn end(&mut self) {
        if self.transcript.created().is_some() && self.delete().await {
            return;
        }
        self.end_by_location(Step::Post).await;
    }

    /// Deletes the session that this step created, by the URL of its `Location`.
    async fn end_by_location(&self, step: Step) {
        let post = self.transcript.each(step).last().and_then(Exchange::answer);
        let made = post.filter(|post| post.is_success() || post.status == 406);
        let meant = made.and_then(|post| post.url.join(post.header("location")?));
        if let Some(url) = meant {
            let mut ask = Ask::new(Method::DELETE, url);
            ask.bearer = true;
            // Nothing more can be done if this fails too.
            let _ = self.environment.wire.ask(ask).await;
        }
    }

    /// The client's own `DELETE`; whether the server accepted it.
    async fn delete(&mut self) -> bool {
        let Some(url) = self.session() else {
            return false;
        };
        let wire = self.environment.wire;
        self.transcript.elsewhere = wire.bearer.is_some() && !wire.is_named(&url);
        let headers = (self.client.behaviour.delete)(&self.transcript);
        self.step(Step::Delete, Method::DELETE, url, &headers, String::new())
            .await;
        let deleted = self.transcript.answer(Step::Delete);
        deleted.is_some_and(Answer::is_success)
    }

    /// Requests for the further rules of the RFC and the draft; none creates a session.
    async fn probe(&mut self, stream: &str) {
        let endpoint = self.transcript.endpoint.clone();
        for (step, method) in [(Step::Get, Method::GET), (Step::Head, Method::HEAD)] {
            self.step(step, method, endpoint.clone(), &[], String::new())
                .await;
        }
        let wrong = [("content-type", "text/plain".to_owned())];
        self.step(
            Step::WrongType,
            Method::POST,
            endpoint.clone(),
            &wrong,
            "hello".to_owned(),
        )
        .await;
        if self.client.role == Role::Play {
            self.not_live(stream).await;
        }
    }

    /// An endpoint with what this client adds to the URL that a page gives it.
    fn addressed(&self, endpoint: Url) -> Url {
        match self.client.behaviour.url_style {
            UrlStyle::Plain => endpoint,
            UrlStyle::Red5 { params, .. } => {
                let endpoint = match self.client.role {
                    Role::Play => {
                        endpoint.and(&format!("requestId=subscriber-{}", sdp::random_hex(4)))
                    }
                    Role::Publish => endpoint,
                };
                match self.environment.target.manager {
                    Manager::V2 => endpoint.and("nodeGroup=default").and(params),
                    Manager::V1 | Manager::None => endpoint.and(params),
                }
            }
        }
    }

    /// What the SDK adds to a `POST` only.
    fn post_query(&self) -> &'static str {
        match self.client.behaviour.url_style {
            UrlStyle::Plain => "",
            UrlStyle::Red5 { post, .. } => post,
        }
    }

    /// The endpoint with what the SDK adds to `OPTIONS` and `POST`; as it is for others.
    fn opening(&self, piece: &str) -> Url {
        match self.client.behaviour.url_style {
            UrlStyle::Plain => self.transcript.endpoint.clone(),
            UrlStyle::Red5 { .. } => self.transcript.endpoint.and(piece),
        }
    }

    fn session(&self) -> Option<Url> {
        Some(self.transcript.session.as_ref()?.and(&self.pin()))
    }

    fn pin(&self) -> String {
        self.host
            .as_ref()
            .map_or_else(String::new, |host| format!("host={host}"))
    }

    fn read_host(&mut self) {
        let pinned = matches!(
            self.client.behaviour.url_style,
            UrlStyle::Red5 { pinned: true, .. }
        );
        let options = self.transcript.answer(Step::Options);
        let read = options.filter(|answer| pinned && matches!(answer.status, 200 | 204));
        self.host = read.and_then(|answer| cors::visible(answer, "session-host"));
    }

    /// One request of the client's, after the browser's preflight.
    async fn step(
        &mut self,
        step: Step,
        method: Method,
        url: Url,
        headers: &[(&'static str, String)],
        body: String,
    ) {
        let mut sent = HeaderMap::new();
        let mut wanted = Vec::new();
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                sent.insert(HeaderName::from_static(name), value);
                wanted.push(*name);
            }
        }
        if self.shows_token(step, &mut sent) {
            wanted.push("authorization");
        }
        sent.insert(
            "user-agent",
            HeaderValue::from_static(self.client.behaviour.agent),
        );
        if self.client.behaviour.page {
            self.preflight(step, &method, &url, &wanted).await;
            self.add_origin(&mut sent);
        }
        let ask = Ask {
            headers: sent,
            body,
            bearer: self.has_token(step),
            follows: if step == Step::Post {
                self.client.behaviour.follows
            } else {
                &[]
            },
            ..Ask::new(method, url)
        };
        let came = self.environment.wire.ask(ask).await;
        self.transcript.note(step, came, wanted);
    }

    fn has_token(&self, step: Step) -> bool {
        match self.client.behaviour.bearer {
            Bearer::Always => true,
            Bearer::Eyevinn => step != Step::Delete,
            Bearer::Never => false,
        }
    }

    /// Whether the request has `Authorization`; Eyevinn's client writes one even without a token.
    fn shows_token(&self, step: Step, sent: &mut HeaderMap) -> bool {
        let has = self.has_token(step);
        if self.environment.wire.bearer.is_some() {
            return has;
        }
        let invents = has && self.client.behaviour.bearer == Bearer::Eyevinn;
        if invents {
            sent.insert(
                "authorization",
                HeaderValue::from_static("Bearer undefined"),
            );
        }
        invents
    }

    async fn preflight(&mut self, step: Step, method: &Method, url: &Url, wanted: &[&'static str]) {
        let preflight = match step {
            Step::Options => Step::PreflightOptions,
            Step::Post => Step::PreflightPost,
            Step::Trickle => Step::PreflightTrickle,
            Step::Delete => Step::PreflightDelete,
            _ => return,
        };
        let mut ask = Ask::new(Method::OPTIONS, url.clone());
        self.add_origin(&mut ask.headers);
        if let Ok(method) = HeaderValue::from_str(method.as_str()) {
            ask.headers.insert("access-control-request-method", method);
        }
        let mut names = wanted.to_vec();
        names.sort_unstable();
        if let Some(names) = HeaderValue::from_str(&names.join(","))
            .ok()
            .filter(|_| !names.is_empty())
        {
            ask.headers.insert("access-control-request-headers", names);
        }
        let came = self.environment.wire.ask(ask).await;
        self.transcript.note(preflight, came, Vec::new());
    }

    fn add_origin(&self, headers: &mut HeaderMap) {
        if let Ok(origin) = HeaderValue::from_str(self.environment.origin) {
            headers.insert("origin", origin);
        }
    }
}
