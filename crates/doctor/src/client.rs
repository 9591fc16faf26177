//! A simulated client: its requests, and the rules that it requires.

use crate::{
    Role,
    answer::Answer,
    rule::Rule,
    transcript::{Reading, Transcript},
    url::Url,
};

/// Headers of a request, by lower-case name.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// A client program, as far as a server sees it.
pub(crate) struct Client {
    /// What `--client` calls it.
    pub(crate) id: &'static str,
    /// Its usual name, with the version that was read.
    pub(crate) name: &'static str,
    /// Publish or play.
    pub(crate) role: Role,
    /// Its requests.
    pub(crate) behaviour: Behaviour,
    /// What it requires.
    pub(crate) rules: &'static [Rule],
}

/// How a client behaves on the wire.
#[derive(Clone, Copy)]
pub(crate) struct Behaviour {
    /// Its `User-Agent`.
    pub(crate) agent: &'static str,
    /// Whether it is a script on a page: the browser sends a preflight first, and hides headers
    /// that are not exposed (Fetch §4.8 and §3.3).
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
    /// How it treats an offer of the server.
    pub(crate) counter: CounterOffer,
    /// The headers of its trickle beside `Content-Type`; `None` if it sends none this time.
    pub(crate) trickle: fn(&Transcript) -> Option<Headers>,
    /// The headers of its `DELETE`.
    pub(crate) delete: fn(&Transcript) -> Headers,
    /// Whether the further rules of the RFC and the draft are tried with it.
    pub(crate) probes: bool,
    /// What it does beside its session.
    pub(crate) extra: Extra,
    /// Where it can run: some clients need a Stream Manager, or URLs that they build themselves.
    pub(crate) needs: Needs,
}

impl Behaviour {
    /// A client of the standard that does the minimum: no `OPTIONS`, no trickle, `Location` by RFC
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
    /// Asks for a stream that is not live, and would retry.
    Retries,
    /// Publishes a second stream beside the first, whose name ends so.
    Publishes(&'static str),
    /// Ends its session and at once creates another with the same URL, this many times.
    Renegotiates(u8),
}

/// Which requests have the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bearer {
    /// All of them but preflights (RFC 9725 §4.7).
    Always,
    /// All but `DELETE`, and a placeholder in place of a missing token.
    Eyevinn,
    /// None.
    Never,
}

/// How a player treats an offer of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CounterOffer {
    /// Treats any success as an answer to its own offer, and 406 as an error.
    None,
    /// Answers the offer of a 406 (draft-ietf-wish-whep §4.2), whose type it looks at.
    On406,
    /// Answers the body of any success: Red5's dialect.
    Always,
}

impl CounterOffer {
    /// Whether it accepts a 406 with an offer.
    pub(crate) fn takes_406(self) -> bool {
        self == Self::On406
    }
}

/// Where a client can run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Anywhere.
    Nothing,
    /// At a Stream Manager, because it needs the query of Red5's SDK.
    StreamManager,
    /// At a Stream Manager whose endpoints are where Red5's SDK builds their URLs.
    ClassicUrls,
}
