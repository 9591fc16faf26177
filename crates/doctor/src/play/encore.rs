//! What a client does beyond one session: a second stream, the same session again, a stream that is
//! not there.

use http::Method;

use super::{SDP, Visit};
use crate::{
    Role,
    answer::{Answer, Came},
    client::Encore,
    transcript::Act,
};

impl Visit<'_> {
    /// Asks for a stream that nobody publishes.
    pub(super) async fn not_live(&mut self, stream: &str) {
        let name = format!("doctor-nobody-{stream}");
        let nobody = self.stage.target.endpoint(Role::Play, &name);
        // The endpoint of one stream says nothing of others.
        if nobody != self.stage.target.endpoint(Role::Play, stream) {
            let url = self.addressed(nobody);
            let sdp = [("content-type", SDP.to_owned())];
            let offer = self.side.offer(Role::Play);
            self.step(Act::NotLive, Method::POST, url, &sdp, offer)
                .await;
        }
    }

    /// What the client does while it has its session.
    pub(super) async fn encore(&mut self, stream: &str) {
        if self.stage.stop.is_cancelled() || self.transcript.session.is_none() {
            return;
        }
        match self.client.habits.encore {
            Encore::None | Encore::Retries => {}
            Encore::Publishes(suffix) => self.second(&format!("{stream}{suffix}")).await,
            Encore::Renegotiates(times) => {
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
        let first = self.stage.target.endpoint(self.client.role, "");
        let endpoint = self.stage.target.endpoint(self.client.role, stream);
        // An endpoint that was named is that of one stream.
        if first == endpoint {
            return;
        }
        let endpoint = self.addressed(endpoint);
        let url = endpoint.and(self.post_query());
        let sdp = [("content-type", SDP.to_owned())];
        let offer = self.side.offer(self.client.role);
        self.step(Act::SecondPost, Method::POST, url, &sdp, offer)
            .await;
        let created = self.transcript.answer(Act::SecondPost);
        let created = created.filter(|answer| answer.is_success());
        let session = created.and_then(|answer| (self.client.habits.session)(answer, &endpoint));
        if let Some(url) = session {
            self.step(Act::SecondDelete, Method::DELETE, url, &[], String::new())
                .await;
        }
        let deleted = self.transcript.answer(Act::SecondDelete);
        if !deleted.is_some_and(Answer::is_success) {
            self.end_by_location(Act::SecondPost).await;
        }
    }

    /// Ends the session and makes another by the same endpoint; whether there is one.
    async fn again(&mut self) -> bool {
        let Some(url) = self.session() else {
            return false;
        };
        self.step(Act::AgainDelete, Method::DELETE, url, &[], String::new())
            .await;
        let url = self.opening("signal=true");
        self.step(Act::AgainOptions, Method::OPTIONS, url, &[], String::new())
            .await;
        let url = self
            .opening("signal=true")
            .and(self.post_query())
            .and(&self.pin());
        let sdp = [("content-type", SDP.to_owned())];
        let offer = self.side.offer(self.client.role);
        self.step(Act::AgainPost, Method::POST, url, &sdp, offer)
            .await;
        let last = self.transcript.each(Act::AgainPost).last();
        let created = last.and_then(Came::answer);
        let created = created.filter(|answer| answer.is_success());
        let session = created
            .and_then(|answer| (self.client.habits.session)(answer, &self.transcript.endpoint));
        let made = session.is_some();
        self.transcript.session = session;
        made
    }
}
