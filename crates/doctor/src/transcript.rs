//! One client's visit: its requests and their answers.

use crate::{
    Role,
    answer::{Answer, Exchange},
    url::Url,
};

/// A step of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The preflight of `Options`.
    PreflightOptions,
    /// The client's own `OPTIONS`.
    Options,
    /// The preflight of `Post`.
    PreflightPost,
    /// The offer.
    Post,
    /// The `PATCH` with the answer to the server's offer.
    AnswerPatch,
    /// The preflight of `Trickle`.
    PreflightTrickle,
    /// The `PATCH` with candidates.
    Trickle,
    /// The preflight of `Delete`.
    PreflightDelete,
    /// The `DELETE` of the session.
    Delete,
    /// A `GET` of the endpoint.
    Get,
    /// A `HEAD` of the endpoint.
    Head,
    /// A `POST` with another media type.
    WrongType,
    /// A `POST` to play a stream that is not published.
    NotLive,
    /// The offer of a second stream beside the first.
    SecondPost,
    /// The `DELETE` of that second stream's session.
    SecondDelete,
    /// The `DELETE` of a session that is created again at once.
    AgainDelete,
    /// The `OPTIONS` for the session that is created again.
    AgainOptions,
    /// The offer for the session that is created again.
    AgainPost,
}

impl Step {
    /// Its name in a report.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::PreflightOptions => "preflight of OPTIONS",
            Self::Options => "OPTIONS",
            Self::PreflightPost => "preflight of POST",
            Self::Post => "POST",
            Self::AnswerPatch => "PATCH with the answer",
            Self::PreflightTrickle => "preflight of PATCH",
            Self::Trickle => "PATCH with candidates",
            Self::PreflightDelete => "preflight of DELETE",
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::WrongType => "POST of text/plain",
            Self::NotLive => "POST for a stream that is not live",
            Self::SecondPost => "POST of the second stream",
            Self::SecondDelete => "DELETE of the second stream",
            Self::AgainDelete => "DELETE before another session",
            Self::AgainOptions => "OPTIONS for another session",
            Self::AgainPost => "POST for another session",
        }
    }
}

/// How a client reads answers, as far as the rules of several clients depend on it.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// Whether it is a script on a page, so that the browser decides what it may read.
    pub(crate) page: bool,
    /// Whether a 406 with an offer is a counter-offer to it and no error.
    pub(crate) takes_406: bool,
}

/// The record of a visit.
pub(crate) struct Transcript {
    /// Publish or play.
    pub(crate) role: Role,
    /// How the client reads what it gets.
    pub(crate) reading: Reading,
    /// The endpoint that it was given.
    pub(crate) endpoint: Url,
    /// Whether the endpoint has to be there, because the operator named it.
    pub(crate) required: bool,
    /// Whether the stream has to be live.
    pub(crate) live: bool,
    /// The origin of the page, for clients in browsers.
    pub(crate) origin: String,
    /// The session's URL, as this client makes it of `Location`.
    pub(crate) session: Option<Url>,
    /// Whether the session is on a server that gets no token, so that `Delete` proves nothing.
    pub(crate) elsewhere: bool,
    came: Vec<(Step, Exchange, Vec<&'static str>)>,
}

impl Transcript {
    /// A visit that has not begun.
    pub(crate) fn new(role: Role, reading: Reading, endpoint: Url, origin: String) -> Self {
        Self {
            role,
            reading,
            endpoint,
            required: true,
            live: false,
            origin,
            session: None,
            elsewhere: false,
            came: Vec::new(),
        }
    }

    /// Records the result of a step. `wanted` are the request headers that need a preflight.
    pub(crate) fn note(&mut self, step: Step, came: Exchange, wanted: Vec<&'static str>) {
        self.came.push((step, came, wanted));
    }

    /// The result of a step; `None` if it was not taken.
    pub(crate) fn came(&self, step: Step) -> Option<&Exchange> {
        let step = self.came.iter().find(|(taken, ..)| *taken == step);
        step.map(|(_, came, _)| came)
    }

    /// The results of a step that is taken more than once.
    pub(crate) fn each(&self, step: Step) -> impl Iterator<Item = &Exchange> {
        let steps = self.came.iter().filter(move |(taken, ..)| *taken == step);
        steps.map(|(_, came, _)| came)
    }

    /// The answer to a step.
    pub(crate) fn answer(&self, step: Step) -> Option<&Answer> {
        self.came(step)?.answer()
    }

    /// The headers of a step's request that need a preflight.
    pub(crate) fn wanted(&self, step: Step) -> &[&'static str] {
        let step = self.came.iter().find(|(taken, ..)| *taken == step);
        step.map_or(&[], |(.., wanted)| wanted)
    }

    /// The answer to the offer, if it made a session.
    pub(crate) fn created(&self) -> Option<&Answer> {
        let post = self.answer(Step::Post)?;
        let is_counter_offer = post.status == 406 && post.is_offer() && self.reading.takes_406;
        (post.is_success() || is_counter_offer).then_some(post)
    }
}
