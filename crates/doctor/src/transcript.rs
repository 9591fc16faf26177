//! One client's visit: what it asked, and what came.

use crate::{
    Role,
    answer::{Answer, Exchange},
    url::Url,
};

/// A step of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The browser's question before `Options`.
    PreflightOptions,
    /// The client's own `OPTIONS`.
    Options,
    /// The browser's question before `Post`.
    PreflightPost,
    /// The offer.
    Post,
    /// The `PATCH` with the answer to the server's offer.
    AnswerPatch,
    /// The browser's question before `Trickle`.
    PreflightTrickle,
    /// The `PATCH` with candidates.
    Trickle,
    /// The browser's question before `Delete`.
    PreflightDelete,
    /// The end of the session.
    Delete,
    /// A `GET` of the endpoint.
    Get,
    /// A `HEAD` of the endpoint.
    Head,
    /// A `POST` that is no description.
    WrongType,
    /// A `POST` to play a stream that nobody publishes.
    NotLive,
    /// The offer of a second stream beside the first.
    SecondPost,
    /// The end of the session of that second stream.
    SecondDelete,
    /// The end of a session that is made anew at once.
    AgainDelete,
    /// The `OPTIONS` for the session that is made anew.
    AgainOptions,
    /// The offer for the session that is made anew.
    AgainPost,
}

impl Step {
    /// How it is called in a report.
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

/// What a visit was like.
pub(crate) struct Transcript {
    /// Publish or play.
    pub(crate) role: Role,
    /// How the client reads what it gets.
    pub(crate) reading: Reading,
    /// Where it was sent.
    pub(crate) endpoint: Url,
    /// Whether the endpoint has to be there, because the operator named it.
    pub(crate) required: bool,
    /// Whether the stream has to be live.
    pub(crate) live: bool,
    /// The origin of the page, for clients in browsers.
    pub(crate) origin: String,
    /// The session's URL, as this client makes it of `Location`.
    pub(crate) session: Option<Url>,
    /// Why `Delete` could prove nothing.
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

    /// Writes down what came of a step. `wanted` are the headers of the request that a browser asks
    /// leave for.
    pub(crate) fn note(&mut self, step: Step, came: Exchange, wanted: Vec<&'static str>) {
        self.came.push((step, came, wanted));
    }

    /// What came of a step; `None` if it was not taken.
    pub(crate) fn came(&self, step: Step) -> Option<&Exchange> {
        let step = self.came.iter().find(|(taken, ..)| *taken == step);
        step.map(|(_, came, _)| came)
    }

    /// What came of a step that is taken more than once, each time.
    pub(crate) fn each(&self, step: Step) -> impl Iterator<Item = &Exchange> {
        let steps = self.came.iter().filter(move |(taken, ..)| *taken == step);
        steps.map(|(_, came, _)| came)
    }

    /// The answer to a step.
    pub(crate) fn answer(&self, step: Step) -> Option<&Answer> {
        self.came(step)?.answer()
    }

    /// The headers of a step's request that a browser asks leave for.
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
