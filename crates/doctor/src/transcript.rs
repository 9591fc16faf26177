//! One client's visit: what it asked, and what came.

use crate::{
    Role,
    answer::{Answer, Came},
    client::Client,
    url::Url,
};

/// A step of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
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

impl Act {
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

/// What a visit was like.
pub(crate) struct Transcript {
    /// Publish or play.
    pub(crate) role: Role,
    /// The client that came.
    pub(crate) client: &'static Client,
    /// Where it was sent.
    pub(crate) endpoint: Url,
    /// Whether the endpoint has to be there, because somebody said so.
    pub(crate) said: bool,
    /// Whether the stream has to be live.
    pub(crate) live: bool,
    /// The origin of the page, for clients in browsers.
    pub(crate) origin: String,
    /// The session's URL, as this client makes it of `Location`.
    pub(crate) session: Option<Url>,
    /// Why `Delete` could prove nothing.
    pub(crate) elsewhere: bool,
    came: Vec<(Act, Came, Vec<&'static str>)>,
}

impl Transcript {
    /// A visit that has not begun.
    pub(crate) fn new(client: &'static Client, endpoint: Url, origin: String) -> Self {
        Self {
            role: client.role,
            client,
            endpoint,
            said: true,
            live: false,
            origin,
            session: None,
            elsewhere: false,
            came: Vec::new(),
        }
    }

    /// Writes down what came of a step. `wanted` are the headers of the request that a browser asks
    /// leave for.
    pub(crate) fn note(&mut self, act: Act, came: Came, wanted: Vec<&'static str>) {
        self.came.push((act, came, wanted));
    }

    /// What came of a step; `None` if it was not taken.
    pub(crate) fn came(&self, act: Act) -> Option<&Came> {
        let step = self.came.iter().find(|(taken, ..)| *taken == act);
        step.map(|(_, came, _)| came)
    }

    /// What came of a step that is taken more than once, each time.
    pub(crate) fn each(&self, act: Act) -> impl Iterator<Item = &Came> {
        let steps = self.came.iter().filter(move |(taken, ..)| *taken == act);
        steps.map(|(_, came, _)| came)
    }

    /// The answer to a step.
    pub(crate) fn answer(&self, act: Act) -> Option<&Answer> {
        self.came(act)?.answer()
    }

    /// The headers of a step's request that a browser asks leave for.
    pub(crate) fn wanted(&self, act: Act) -> &[&'static str] {
        let step = self.came.iter().find(|(taken, ..)| *taken == act);
        step.map_or(&[], |(.., wanted)| wanted)
    }

    /// The answer to the offer, if it made a session.
    pub(crate) fn created(&self) -> Option<&Answer> {
        let post = self.answer(Act::Post)?;
        let countered =
            post.status == 406 && post.is_offer() && self.client.habits.counter.takes_406();
        (post.is_success() || countered).then_some(post)
    }
}
