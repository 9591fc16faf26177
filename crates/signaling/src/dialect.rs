//! Who speaks, and what that client understands: one table.
//!
//! Today's clients disagree with each other and with RFC 9725. An unknown client is a standard
//! client, and gets exactly what the RFC and the WHEP draft say; a row below says where a client
//! differs, or why it need not.
//!
//! Not every difference can be served. `@eyevinn/whip-web-client` 1.1.7 (packages/sdk/src/util.ts)
//! reads a `Link` only without `<` and `>`, as draft-ietf-wish-whip-01 wrote it. Its `OPTIONS` is
//! that of `MediaMTX`'s reader.js (1.20.1), a browser's with `Authorization`, and that one throws
//! at a `Link` without them. So both get the form of the RFC, in which Eyevinn's finds no server
//! and continues without.

use http::{HeaderMap, header::USER_AGENT};

use crate::query;

/// A client whose habits are known; a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Red5's HTML SDK, any version that speaks WHIP and WHEP.
    Red5,
    /// OBS Studio.
    Obs,
    /// Any other client.
    Standard,
}

impl Client {
    /// Every client.
    pub const ALL: [Self; 3] = [Self::Red5, Self::Obs, Self::Standard];

    /// Its value in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Red5 => "red5",
            Self::Obs => "obs",
            Self::Standard => "standard",
        }
    }
}

/// How a request shows who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// The query has this key.
    Query(&'static str),
    /// The `User-Agent` contains this.
    Agent(&'static str),
    /// No mark.
    None,
}

/// How ICE servers are written into `Link`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// One `Link` in all, an ICE server that it can read.
    One,
    /// A line for each, without `turns:` and `stuns:`.
    Plain,
    /// A line for each.
    All,
}

/// What the status of a success has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statuses {
    /// What the node says: any 2xx will do.
    Any,
    /// POST 201, DELETE 200, trickle and answer 204 (RFC 9725 §4.2, §4.3.1; draft-ietf-wish-whep
    /// §4.2).
    Exact,
}

/// How a node's offer reaches a player that has sent one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodesOffer {
    /// In the 201, where Red5's node puts it.
    InCreated,
    /// As the counter-offer 406 (draft-ietf-wish-whep §4.2).
    Counter,
}

/// Whether a client knows entity tags (RFC 9725 §4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntityTags {
    /// It sends none, and a 405, 412 or 428 to its trickle is the end of its session.
    Unknown,
    /// It sends those that it is given, and may need one.
    Known,
}

/// One client.
#[derive(Debug)]
struct Row {
    client: Client,
    mark: Mark,
    links: Links,
    statuses: Statuses,
    nodes_offer: NodesOffer,
    entity_tags: EntityTags,
    /// Where each of these can be checked.
    #[cfg_attr(not(test), expect(dead_code, reason = "for who reads the table"))]
    sources: &'static [&'static str],
}

/// The first row whose mark a request shows is the client.
const TABLE: [Row; 3] = [
    Row {
        client: Client::Red5,
        mark: Mark::Query("signal"),
        links: Links::One,
        statuses: Statuses::Any,
        nodes_offer: NodesOffer::InCreated,
        entity_tags: EntityTags::Unknown,
        sources: &[
            "mark: red5pro-webrtc-sdk 11.0.0, WhipWhepSignalingHelper.getOptions and postSDPOffer: `signal=` is the first \
             key of every OPTIONS and POST, and so it is up to 15",
            "links: the same, getOptions: Headers.forEach joins lines with `, `, and the parser divides at `;` only",
            "statuses: the same, postSDPOffer and the PATCH helpers: any from 200 to 299",
            "nodes_offer: the same, WHEPClient: the body of the 201 is set as the remote `offer`",
            "entity_tags: the same, the PATCH helpers: no If-Match; trickle throws at whatever is not 2xx, 405 with a text \
             of its own",
        ],
    },
    Row {
        client: Client::Obs,
        mark: Mark::Agent("OBS-Studio/"),
        links: Links::Plain,
        statuses: Statuses::Exact,
        nodes_offer: NodesOffer::Counter,
        entity_tags: EntityTags::Known,
        sources: &[
            "mark: OBS Studio 32.2.1, plugins/obs-webrtc/whip-utils.h, generate_user_agent: `Mozilla/5.0 (OBS-Studio/…`",
            "links: 32.2.1, whip-output.cpp, Connect: a line is cut at every `,`; ParseLinkHeader: what is cut has to begin \
             with `<stun:` or `<turn:`, so a blank after the comma, or `<turns:`, is an error in its log",
            "statuses: 32.2.1, whip-output.cpp, Connect: 201 and no other, and a Location; SendDelete: a warning unless 200",
            "nodes_offer, entity_tags: 32.2.1 neither plays nor sends PATCH",
        ],
    },
    Row {
        client: Client::Standard,
        mark: Mark::None,
        links: Links::All,
        statuses: Statuses::Exact,
        nodes_offer: NodesOffer::Counter,
        entity_tags: EntityTags::Known,
        sources: &[
            "links: RFC 9725 §4.6, one `Link` for each server; simple-whip-client (src/whip-client.c, b9b3fac, 2025-10), \
             whip-whep-js 1.2.0 (whip.js) and MediaMTX 1.20.1 (internal/servers/webrtc/reader.js) divide joined ones again; \
             MediaMTX 1.20.1 (internal/protocols/whip/link_header.go) takes a line each, `rel`, `username`, `credential`, \
             `credential-type` in this order, and fails at any other relation on OPTIONS; FFmpeg 8.0 \
             (libavformat/whip.c) reads none",
            "statuses: MediaMTX 1.20.1 (internal/protocols/whip/client.go): POST 201, trickle 204, DELETE 200; \
             simple-whip-client and whip-go (whip.go, a1c5a21, 2025-06): POST 201; GStreamer (gst-plugin-webrtchttp 0.14.5, \
             src/whipsink/imp.rs): POST 200 or 201; FFmpeg 8.0: anything below 400",
            "nodes_offer: draft-ietf-wish-whep §4.2; GStreamer whepclientsrc (gst-plugin-webrtc 0.15.4, \
             src/whep_signaller/client.rs): 201 is an answer, any 406 an offer; its older whepsrc (gst-plugin-webrtchttp \
             0.14.5) knows answers alone",
            "entity_tags: MediaMTX 1.20.1, postOffer: finds PATCH in Access-Control-Allow-Methods of the OPTIONS, and then \
             `ETag is missing` is the end; simple-whip-client: If-Match on all that follows, DELETE too; whip-whep-js: \
             If-Match, `*` to restart ICE; @eyevinn/whip-web-client 1.1.7, WHIPProtocol.ts: the tag in a header `ETag`",
        ],
    },
];

/// What the client of one request understands.
#[derive(Clone, Copy, Debug)]
pub struct Dialect(&'static Row);

impl Dialect {
    /// Reads a request's header and query. Only what begins a session shows who Red5's SDK is; on
    /// the rest it takes what a standard client takes.
    pub fn of(headers: &HeaderMap, query: Option<&str>) -> Self {
        let agent = headers
            .get(USER_AGENT)
            .and_then(|agent| agent.to_str().ok());
        let [.., standard] = &TABLE;
        let shows = |mark: Mark| match mark {
            Mark::Query(key) => query.is_some_and(|query| query::get(query, key).is_some()),
            Mark::Agent(part) => agent.is_some_and(|agent| agent.contains(part)),
            Mark::None => true,
        };
        Self(TABLE.iter().find(|row| shows(row.mark)).unwrap_or(standard))
    }

    /// Who it is.
    pub fn client(self) -> Client {
        self.0.client
    }

    /// How ICE servers are written for it.
    pub fn links(self) -> Links {
        self.0.links
    }

    /// What the status of a success has to be.
    pub fn statuses(self) -> Statuses {
        self.0.statuses
    }

    /// How a node's offer reaches it.
    pub fn nodes_offer(self) -> NodesOffer {
        self.0.nodes_offer
    }

    /// Whether it knows entity tags.
    pub fn entity_tags(self) -> EntityTags {
        self.0.entity_tags
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(agent: &'static str, query: &str) -> Dialect {
        let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(agent))]);
        Dialect::of(&headers, Some(query))
    }

    #[test]
    fn each_client_by_its_mark() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36";
        for (agent, query, client) in [
            (chrome, "signal=true&mode=live", Client::Red5),
            (
                chrome,
                "requestId=subscriber-1b31&signal=false",
                Client::Red5,
            ),
            ("", "signal=true", Client::Red5),
            (chrome, "requestId=subscriber-1b31", Client::Standard),
            (chrome, "xsignal=true", Client::Standard),
            (
                "Mozilla/5.0 (OBS-Studio/32.0.1; Linux x86_64; en-US)",
                "",
                Client::Obs,
            ),
            ("Lavf/62.3.100", "token=x", Client::Standard),
            ("Go-http-client/1.1", "", Client::Standard),
            ("", "", Client::Standard),
        ] {
            assert_eq!(of(agent, query).client(), client, "{agent} {query}");
        }
        assert_eq!(
            Dialect::of(&HeaderMap::new(), None).client(),
            Client::Standard
        );
    }

    #[test]
    fn what_each_understands() {
        let red5 = of("", "signal=true");
        assert_eq!(
            (red5.links(), red5.statuses(), red5.nodes_offer()),
            (Links::One, Statuses::Any, NodesOffer::InCreated)
        );
        assert_eq!(red5.entity_tags(), EntityTags::Unknown);
        let obs = of("OBS-Studio/32", "");
        assert_eq!(
            (obs.links(), obs.statuses()),
            (Links::Plain, Statuses::Exact)
        );
        let other = of("", "");
        assert_eq!(other.entity_tags(), EntityTags::Known);
        assert_eq!(
            (other.links(), other.statuses(), other.nodes_offer()),
            (Links::All, Statuses::Exact, NodesOffer::Counter)
        );
    }

    #[test]
    fn every_row_can_be_checked_and_the_last_is_for_all() {
        for row in &TABLE {
            assert!(!row.sources.is_empty(), "{:?}", row.client);
        }
        let unmarked = TABLE.iter().filter(|row| row.mark == Mark::None);
        assert_eq!(unmarked.count(), 1);
        assert_eq!(TABLE.last().unwrap().mark, Mark::None);
        let clients = TABLE.iter().map(|row| row.client);
        assert!(clients.eq(Client::ALL));
    }
}
