//! What a client does beyond one session: a second stream, the same session again, a stream that is
//! not there.

use http::Method;

use super::{SDP, Visit};
use crate::{
    Role,
    answer::{Answer, Exchange},
    client::Extra,
    transcript::Step,
};

impl Visit<'_> {
    /// Asks for a stream that is not published.
    pub(super) async fn not_live(&mut self, stream: &str) {
        let name = format!("doctor-missing-{stream}");
        let missing = self.environment.target.endpoint(Role::Play, &name);
        // An endpoint of one fixed stream has no URL for another.
        if missing != self.environment.target.endpoint(Role::Play, stream) {
            let url = self.addressed(missing);
            let sdp = [("content-type", SDP.to_owned())];
            let offer = self.side.offer(Role::Play);
            self.step(Step::NotLive, Method::POST, url, &sdp, offer)
                .await;
        }
    }

    /// What the client does beside its session.
    pub(super) async fn extra(&mut self, stream: &str) {
        if self.environment.stop.is_cancelled() || self.transcript.session.is_none() {
            return;
        }
        match self.client.behaviour.extra {
            Extra::None | Extra::Retries => {}
            Extra::Publishes(suffix) => self.second(&format!("{stream}{suffix}")).await,
            Extra::Renegotiates(times) => {
                for _ in 0..times {
                    if !self.again().await {
                        break;
                    }
                }
            }
        }
    }

    /// Publishes another stream, and ends it.
    async fn second(&mut self, stream: &str) {
        let first = self.environment.target.endpoint(self.client.role, "");
        let endpoint = self.environment.target.endpoint(self.client.role, stream);
        // An endpoint that the operator named may belong to one stream only.
        if first == endpoint {
            return;
        }
        let endpoint = self.addressed(endpoint);
        let url = endpoint.and(self.post_query());
        let sdp = [("content-type", SDP.to_owned())];
        let offer = self.side.offer(self.client.role);
        self.step(Step::SecondPost, Method::POST, url, &sdp, offer)
            .await;
        let created = self.transcript.answer(Step::SecondPost);
        let created = created.filter(|answer| answer.is_success());
        let session = created.and_then(|answer| (self.client.behaviour.session)(answer, &endpoint));
        if let Some(url) = session {
            self.step(Step::SecondDelete, Method::DELETE, url, &[], String::new())
                .await;
        }
        let deleted = self.transcript.answer(Step::SecondDelete);
        if !deleted.is_some_and(Answer::is_success) {
            self.end_by_location(Step::SecondPost).await;
        }
    }

    /// Ends the session and creates another at the same endpoint; whether that succeeded.
    async fn again(&mut self) -> bool {
        let Some(url) = self.session() else {
            return false;
        };
        self.step(Step::AgainDelete, Method::DELETE, url, &[], String::new())
            .await;
        let url = self.opening("signal=true");
        self.step(Step::AgainOptions, Method::OPTIONS, url, &[], String::new())
            .await;
        let url = self
            .opening("signal=true")
            .and(self.post_query())
            .and(&self.pin());
        let sdp = [("content-type", SDP.to_owned())];
        let offer = self.side.offer(self.client.role);
        self.step(Step::AgainPost, Method::POST, url, &sdp, offer)
            .await;
        let last = self.transcript.each(Step::AgainPost).last();
        let created = last.and_then(Exchange::answer);
        let created = created.filter(|answer| answer.is_success());
        let session = created
            .and_then(|answer| (self.client.behaviour.session)(answer, &self.transcript.endpoint));
        let made = session.is_some();
        self.transcript.session = session;
        made
    }
}
