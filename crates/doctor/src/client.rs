//! A client: how it speaks, and what it wants.

use crate::{
    Role,
    answer::Answer,
    rule::Rule,
    transcript::{Reading, Transcript},
    url::Url,
};

/// Headers of a request, by lower-case name.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// A client that others wrote, as far as a server can tell it from any other.
pub(crate) struct Client {
    /// What `--client` calls it.
    pub(crate) id: &'static str,
    /// What people call it, with the version that was read.
    pub(crate) name: &'static str,
    /// Publish or play.
    pub(crate) role: Role,
    /// How it speaks.
    pub(crate) behaviour: Behaviour,
    /// What it wants.
    pub(crate) rules: &'static [Rule],
}

/// How a client speaks.
#[derive(Clone, Copy)]
pub(crate) struct Behaviour {
    /// Its `User-Agent`.
    pub(crate) agent: &'static str,
    /// Whether it is a script on a page: the browser asks leave first, and hides what is not
    /// exposed (Fetch §4.8 and §3.3).
    pub(crate) page: bool,
    /// Whether it sends an `OPTIONS` of its own.
    pub(crate) options: bool,
    /// What Red5's SDK adds to URLs; nothing for others.
    pub(crate) url_style: UrlStyle,
    /// Which requests have `Authorization`, if there is a token.
    pub(crate) bearer: Bearer,
    /// The redirects of a `POST` that it follows with the same method and body.
    pub(crate) follows: &'static [u16],
    /// The session's URL by the answer to `POST`, the endpoint and the client's own arithmetic.
    pub(crate) session: fn(&Answer, &Url) -> Option<Url>,
    /// What it does with an offer of the server's.
    pub(crate) counter: CounterOffer,
    /// The headers of its trickle beside `Content-Type`; `None` if it sends none this time.
    pub(crate) trickle: fn(&Transcript) -> Option<Headers>,
    /// The headers of its `DELETE`.
    pub(crate) delete: fn(&Transcript) -> Headers,
    /// Whether it has to be asked what else the RFC and the draft want.
    pub(crate) probes: bool,
    /// What it does while it has its session.
    pub(crate) extra: Extra,
    /// Whether it is played at all only against a Stream Manager, and only by URLs that it can
    /// make.
    pub(crate) needs: Needs,
}

impl Behaviour {
    /// A client of the standard that does the least: no `OPTIONS`, no trickle, `Location` by RFC
    /// 3986.
    pub(crate) const PLAIN: Self = Self {
        agent: "whipstitch-doctor",
        page: false,
        options: false,
        url_style: UrlStyle::Plain,
        bearer: Bearer::Always,
        follows: &[307, 308],
        session: |answer, endpoint| endpoint.join(answer.header("location")?),
        counter: CounterOffer::None,
        trickle: |_| None,
        delete: |_| Vec::new(),
        probes: false,
        extra: Extra::None,
        needs: Needs::Nothing,
    };
}

impl Client {
    /// How it reads answers.
    pub(crate) fn reading(&self) -> Reading {
        Reading {
            page: self.behaviour.page,
            takes_406: self.behaviour.counter.takes_406(),
        }
    }
}

/// What a client adds to the URLs that it is given.
#[derive(Clone, Copy)]
pub(crate) enum UrlStyle {
    /// Nothing.
    Plain,
    /// What Red5's SDK adds.
    Red5 {
        /// To every URL: the `connectionParams` of the page, beside the node group.
        params: &'static str,
        /// To the `POST`.
        post: &'static str,
        /// Whether `Session-Host` comes back as `host=`.
        pinned: bool,
    },
}

/// What a client does beyond one session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extra {
    /// Nothing.
    None,
    /// Asks for a stream that is not live, and would ask again and again.
    Retries,
    /// Publishes a second stream beside the first, whose name ends so.
    Publishes(&'static str),
    /// Ends its session and at once makes another by the same URL, this often.
    Renegotiates(u8),
}

/// Which requests have the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bearer {
    /// All of them but preflights (RFC 9725 §4.7).
    Always,
    /// All but `DELETE`, and a word where the token would be if there is none.
    Eyevinn,
    /// None.
    Never,
}

/// What a player does with an offer of the server's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CounterOffer {
    /// Takes any success for an answer to its own offer, and 406 for an error.
    None,
    /// Answers the offer of a 406 (draft-ietf-wish-whep §4.2), whose type it looks at.
    On406,
    /// Answers what comes with any success: Red5's way.
    Always,
}

impl CounterOffer {
    /// Whether a 406 with an offer is no error.
    pub(crate) fn takes_406(self) -> bool {
        self == Self::On406
    }
}

/// Where a client can be played.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Anywhere.
    Nothing,
    /// At a Stream Manager, as it takes the query of Red5's SDK for granted.
    StreamManager,
    /// At a Stream Manager whose endpoints are where Red5's SDK builds their URLs.
    ClassicUrls,
}
