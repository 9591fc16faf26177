//! The table of keys: what serde does not know about them. A test holds it against the structs, so
//! that a key can neither be left out here nor be invented.
//!
//! It feeds the flags and variables, the words of mistakes, the reference page and the annotated
//! sample.

use super::kind::Kind::{
    self, Address, Addresses, Api, BaseUrl, Bearer, ByNetwork, Bytes, Collector, Count, Duration,
    Format, Forwarding, Hsts, IceServers, Lifetime, Location, Mappings, Names, Networks, NodeNames,
    NotLive, Origins, Parents, Path, Port, Ratio, Rules, Switch, Text, Url,
};

/// The variable that names the configuration file; like `--config` it is no key of it.
pub const CONFIG_VARIABLE: &str = "WHIPSTITCH_CONFIG";

/// One `[section]`.
#[derive(Debug)]
pub struct Section {
    /// Its name in the file.
    pub name: &'static str,
    /// What it is about: one sentence.
    pub meaning: &'static str,
    /// Its keys, in the order of the reference.
    pub keys: &'static [Key],
}

/// One key of a section.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// `section.key`.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The flag of `whipstitch run` and `check`, with its dashes, if it has one.
    pub flag: Option<&'static str>,
    /// The environment variable.
    pub variable: &'static str,
    /// When it has to be set; none if there is a default or it may be left out.
    pub required: Option<&'static str>,
    /// A value for a key without default, as it stands in the file.
    pub sample: Option<&'static str>,
    /// What it does, with its unit where the type does not name one.
    pub meaning: &'static str,
    /// Whether a reload applies another value; else it needs a restart.
    pub reloads: bool,
}

impl Key {
    const fn new(
        path: &'static str,
        kind: Kind,
        variable: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            path,
            kind,
            flag: None,
            variable,
            required: None,
            sample: None,
            meaning,
            reloads: false,
        }
    }

    const fn reloads(mut self) -> Self {
        self.reloads = true;
        self
    }

    const fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    const fn required(mut self, when: &'static str) -> Self {
        self.required = Some(when);
        self
    }

    const fn sample(mut self, sample: &'static str) -> Self {
        self.sample = Some(sample);
        self
    }

    /// Section and key.
    pub fn split(&self) -> (&'static str, &'static str) {
        self.path.split_once('.').unwrap_or(("", self.path))
    }
}

/// The section of this name.
pub fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

/// Every key of every section.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// The key of this path, `section.key`.
pub fn key(path: &str) -> Option<&'static Key> {
    keys().find(|key| key.path == path)
}

/// All sections, in the order of the reference: what a first set-up needs comes first.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "stream_manager",
        meaning: "The Red5 Pro Stream Manager, the source of truth about streams and nodes.",
        keys: &[
            Key::new("stream_manager.url", BaseUrl, "WHIPSTITCH_STREAM_MANAGER", "Base URL of the Stream Manager: `http` or `https`, host and port. A path, such as that of a gateway in `https://gateway.example.com/sm`, is put in front of every path that the Stream Manager is asked for.")
                .flag("--stream-manager")
                .required("always")
                .sample(r#""http://127.0.0.1:5080""#),
            Key::new("stream_manager.strip_prefix", Text, "WHIPSTITCH_STREAM_MANAGER_STRIP_PREFIX", "Prefix that is dropped from the paths that begin with it, before the path of `stream_manager.url` is put in front: `/as/v1` to ask as-streams of Stream Manager 2.0 itself, which serves `/streams/…` behind the Traefik of its compose file. Only the service that the URL names is then reached, so other paths of the manager are not.")
                .sample(r#""/as/v1""#),
            Key::new("stream_manager.host", Text, "WHIPSTITCH_STREAM_MANAGER_HOST", "`Host` of every request to the Stream Manager, and over `https` the name that is asked for (SNI) and that its certificate has to hold, where they differ from the host of `stream_manager.url`: when that is an address, or the name of a load balancer.")
                .sample(r#""sm.example.com""#),
            Key::new("stream_manager.ca_file", Path, "WHIPSTITCH_STREAM_MANAGER_CA_FILE", "PEM file with the certificates of the authorities that may have signed the Stream Manager's certificate, instead of those of the system: for a private CA, or a self-signed certificate. Only for `https`. Read at the start.")
                .sample(r#""/etc/whipstitch/ca.pem""#),
            Key::new("stream_manager.api", Api, "WHIPSTITCH_STREAM_MANAGER_API", "Generation of the Stream Manager, which decides how it is asked and which URLs clients use: `1` for 1.x (`/streammanager/…`), `2` for Stream Manager 2.0 (`/as/v1/…`). With `2` the WHIP, WHEP and WebSocket URLs of 1.x are served too."),
            Key::new("stream_manager.api_version", Text, "WHIPSTITCH_STREAM_MANAGER_API_VERSION", "Version of the REST API of Stream Manager 1.x, as it stands in the URL after `/streammanager/api/`."),
            Key::new("stream_manager.node_group", Text, "WHIPSTITCH_STREAM_MANAGER_NODE_GROUP", "Node group that Stream Manager 2.0 is asked for where a client names none in `nodeGroup`. `default` means the only one."),
            Key::new("stream_manager.timeout", Duration, "WHIPSTITCH_STREAM_MANAGER_TIMEOUT", "Longest wait for the answer to one lookup."),
            Key::new("stream_manager.probe", Duration, "WHIPSTITCH_STREAM_MANAGER_PROBE", "How long no lookup is sent until the Stream Manager is asked for a stream that does not exist, to see whether it answers; it is asked so at the start, too. 1s to 1h; `0s`: only clients' lookups are sent."),
            Key::new("stream_manager.access_token_file", Path, "WHIPSTITCH_STREAM_MANAGER_ACCESS_TOKEN_FILE", "File with the `accessToken` of the Stream Manager's administration API, read again at each use. With it the list of nodes is polled, so that nodes are known that no lookup has named yet. For 1.x only.")
                .sample(r#""/etc/whipstitch/access-token""#),
            Key::new("stream_manager.user_file", Path, "WHIPSTITCH_STREAM_MANAGER_USER_FILE", "File with the name of a user of Stream Manager 2.0 (`R5AS_AUTH_USER`), read again at each use. With it and `stream_manager.password_file` the proxy logs in at `/as/v1/auth/login` and polls the list of nodes, so that nodes are known that no lookup has named yet: `host=` and WebSockets that another replica led there. For 2.0 only.")
                .sample(r#""/etc/whipstitch/manager-user""#),
            Key::new("stream_manager.password_file", Path, "WHIPSTITCH_STREAM_MANAGER_PASSWORD_FILE", "File with the password of that user (`R5AS_AUTH_PASS`), read again at each use: one line. A changed file is used at the next poll; the log, `whipstitch status` and `whipstitch_stream_manager_login_failing` say when the manager refuses it. For 2.0 only.")
                .sample(r#""/etc/whipstitch/manager-password""#),
        ],
    },
    Section {
        name: "listen",
        meaning: "The addresses to serve on, any number of each; at least one of `https` and `http`.",
        keys: &[
            Key::new("listen.https", Addresses, "WHIPSTITCH_HTTPS", "Addresses that speak TLS, with HTTP/2 and HTTP/1.1 by ALPN.")
                .flag("--https")
                .required("unless `listen.http` is set")
                .sample(r#"["0.0.0.0:8443"]"#),
            Key::new("listen.http", Addresses, "WHIPSTITCH_HTTP", "Addresses that speak plain HTTP/1.1. Browsers give a page the camera only over TLS or on localhost.")
                .flag("--http")
                .sample(r#"["127.0.0.1:8080"]"#),
            Key::new("listen.proxy_protocol", Networks, "WHIPSTITCH_LISTEN_PROXY_PROTOCOL", "Networks of balancers for TCP that send the PROXY protocol, version 1 or 2, on every connection to `listen.https` and `listen.http`: the address in it is the client's, for logs, for nodes and for distinguishing clients. A connection from there without a header, or with a bad one, is closed and counted. From other addresses no header is taken. No client may be able to connect from these networks: it could name any address.")
                .sample(r#"["10.0.0.0/28"]"#),
            Key::new("listen.proxy_protocol_optional", Switch, "WHIPSTITCH_LISTEN_PROXY_PROTOCOL_OPTIONAL", "On: a connection from `listen.proxy_protocol` without a header is served too, as the balancer's own: for health checks that send none. Only for balancers that always send one for their clients, since a client's own first bytes would be taken for the header otherwise."),
            Key::new("listen.admin", Address, "WHIPSTITCH_ADMIN", "Address of the admin interface, in plain HTTP: metrics, probes, and the state of the proxy; not for the internet, since it shows addresses of clients and nodes and names of streams. Changes are taken only if this is a loopback address. Not served unless set.")
                .flag("--admin")
                .sample(r#""127.0.0.1:9090""#),
        ],
    },
    Section {
        name: "tls",
        meaning: "The certificate shown on every address of `listen.https`.",
        keys: &[
            Key::new("tls.cert", Path, "WHIPSTITCH_CERT", "PEM file with the certificate chain, the server's own certificate first. A relative name starts at the folder of the configuration file; in a flag or variable, at the working directory.")
                .flag("--cert")
                .required("with `listen.https`")
                .sample(r#""/etc/whipstitch/tls.crt""#),
            Key::new("tls.key", Path, "WHIPSTITCH_KEY", "PEM file with the private key of that certificate (PKCS#8, PKCS#1 or SEC1, without a passphrase).")
                .flag("--key")
                .required("with `listen.https`")
                .sample(r#""/etc/whipstitch/tls.key""#),
        ],
    },
    Section {
        name: "nodes",
        meaning: "The media nodes, and which addresses may be dialled as one.",
        keys: &[
            Key::new("nodes.port", Port, "WHIPSTITCH_NODE_PORT", "TCP port of every node's HTTP and WebSocket server.").flag("--node-port"),
            Key::new("nodes.allow", Networks, "WHIPSTITCH_ALLOW_NODES", "Networks whose addresses are nodes even if the Stream Manager has not named them, and the only way to reach loopback, link-local, metadata and other special addresses, by a network that lies inside the special one.")
                .flag("--allow-nodes")
                .sample(r#"["10.0.0.0/8"]"#).reloads(),
            Key::new("nodes.allow_names", NodeNames, "WHIPSTITCH_NODES_ALLOW_NAMES", "Names that nodes may have instead of an address; with a dot in front, every name below a domain. A name is resolved once, all of its addresses have to be allowed, and one of these is dialled.")
                .sample(r#"[".nodes.example.com"]"#).reloads(),
            Key::new("nodes.map", Mappings, "WHIPSTITCH_NODES_MAP", "Private addresses under which nodes are reached from here, each for the public one that the Stream Manager names; networks of one size keep the bits of the host, and the most specific entry counts.")
                .sample(r#"["203.0.113.7=10.0.0.7", "198.51.100.0/24=10.1.2.0/24"]"#).reloads(),
            Key::new("nodes.dial_private", Switch, "WHIPSTITCH_NODES_DIAL_PRIVATE", "On: the address that `nodes.map` gives is always the one that is dialled. Off: only for a WebSocket that asks for it with `usePrivateProxy=true`.").reloads(),
            Key::new("nodes.named_for", Duration, "WHIPSTITCH_NODES_NAMED_FOR", "How long an address counts as a node after the Stream Manager has named it."),
            Key::new("nodes.eject_after", Count, "WHIPSTITCH_NODES_EJECT_AFTER", "Requests in a row that a node has to fail (502, 503, or no answer in time) until others are tried before it; one that cannot be reached is ejected at once."),
            Key::new("nodes.eject_for", Duration, "WHIPSTITCH_NODES_EJECT_FOR", "How long a node is ejected for the first time; each time in a row it is twice as long, up to five minutes."),
            Key::new("nodes.poll", Duration, "WHIPSTITCH_NODES_POLL", "Time between two polls of the Stream Manager's list of nodes; only with `stream_manager.access_token_file`, or with `stream_manager.user_file` and `stream_manager.password_file`."),
        ],
    },
    Section {
        name: "proxy",
        meaning: "What is served, and under which names.",
        keys: &[
            Key::new("proxy.enabled", Switch, "WHIPSTITCH_PROXY_ENABLED", "Off: WHIP, WHEP and WebSocket signalling answer 503; the Stream Manager's own pages and API still pass.").reloads(),
            Key::new("proxy.hosts", Names, "WHIPSTITCH_PROXY_HOSTS", "Host names, without port, that are served; every name when empty.")
                .sample(r#"["live.example.com"]"#).reloads(),
            Key::new("proxy.https_redirect", Switch, "WHIPSTITCH_PROXY_HTTPS_REDIRECT", "On: a GET or HEAD over plain HTTP is answered with 308 to the same host and path with `https`, at the port of `proxy.public_url` if that is an `https` URL of this host, else at 443; other methods and WebSockets get 403. The health check of balancers passes, and `/.well-known/acme-challenge/` is not redirected. A trusted proxy (`proxy.trusted`) that sends the client's scheme is believed, and one that sends none is taken for a TLS terminator.").reloads(),
            Key::new("proxy.hsts", Hsts, "WHIPSTITCH_PROXY_HSTS", "`Strict-Transport-Security` of every answer to a client that uses `https`, here or at a trusted proxy; instead of a node's own. Never sent over plain HTTP. Browsers then use `https` alone for as long as it says, so begin with a short `max-age`.")
                .sample(r#""max-age=31536000""#).reloads(),
            Key::new("proxy.public_url", Url, "WHIPSTITCH_PROXY_PUBLIC_URL", "Scheme and authority that clients use, when something in front changes them.")
                .sample(r#""https://live.example.com""#).reloads(),
            Key::new("proxy.not_live_status", NotLive, "WHIPSTITCH_PROXY_NOT_LIVE_STATUS", "Status for a WHEP player whose stream is not live, with `Retry-After`: `409` as the WHEP draft has it, or `404`, which players expect that were written against MediaMTX. A node's own 409 to a player becomes it too.").reloads(),
            Key::new("proxy.strict_etags", Switch, "WHIPSTITCH_PROXY_STRICT_ETAGS", "On: a trickle or an ICE restart without `If-Match` is answered with 428, and one with another session's `ETag` with 412 (RFC 9725 §4.3.1). Clients that know no entity tags, such as Red5's SDK, are never answered so.").reloads(),
            Key::new("proxy.server_timing", Switch, "WHIPSTITCH_PROXY_SERVER_TIMING", "On: every answer has in `Server-Timing` how long lookup, connection, node and the whole took, in milliseconds, and pages of any origin may read it (`Timing-Allow-Origin`). A node's own entries stay.").reloads(),
            Key::new("proxy.location", Location, "WHIPSTITCH_PROXY_LOCATION", "How the URLs of sessions are written: `absolute`, with scheme and host; `path`, without, behind a proxy that changes paths or names; `auto`, with scheme and host where they are known, from `proxy.public_url`, the proxy's own TLS, or a trusted proxy (`proxy.trusted`) that sends `https` and the host. With `absolute`, any other client of plain HTTP gets `http://` and the host that it asked for.").reloads(),
            Key::new("proxy.trusted", Networks, "WHIPSTITCH_PROXY_TRUSTED", "Networks of trusted proxies (load balancers, TLS terminators). Their `X-Forwarded-For`, `-Proto` and `-Host`, or `Forwarded` (RFC 7239), give the client's address, for logs, for nodes and for distinguishing clients, and its scheme and host. The client is the first address from the right that is in none of these networks. From other peers these headers are dropped.")
                .sample(r#"["10.0.0.0/8"]"#).reloads(),
            Key::new("proxy.bearer", Bearer, "WHIPSTITCH_PROXY_BEARER", "How a client's `Authorization: Bearer` reaches a node: `pass`, as it is; `query`, as the query that Red5's JWT and round-trip authentication read, for OBS, FFmpeg, GStreamer and Larix, which send nothing else: the token becomes `token=…`, one that is itself `username=…&password=…&token=…` becomes these keys, and the header stays here. What a client's URL says of a key counts. The token is in no lookup, no log and no session URL.").reloads(),
            Key::new("proxy.allowed_origins", Origins, "WHIPSTITCH_PROXY_ALLOWED_ORIGINS", "Origins whose pages may open WebSockets and use this proxy (CORS), as browsers write them in `Origin`, `null` among them, or `*`; pages of any origin when empty. Once set, the WebSocket of a page from elsewhere gets 403 before anything is looked up; pages of the host that is asked may open them too, and what sends no `Origin` is no page. Set it where all pages are yours, above all if nodes or manager go by cookies. Browsers keep to this, other clients do not: it is no access control.")
                .sample(r#"["https://pages.example.com"]"#).reloads(),
            Key::new("proxy.cors_origins", Origins, "WHIPSTITCH_PROXY_CORS_ORIGINS", "Further origins whose pages may use this proxy (CORS) beside those of `proxy.allowed_origins`, but open no WebSockets once that is set, as browsers write them in `Origin`, `null` among them; pages of any origin when both are empty. A preflight from another origin gets 403, and other answers to it no `Access-Control-Allow-Origin`. Browsers keep to this, other clients do not: it is no access control. Credentials (cookies) are allowed to none.")
                .sample(r#"["https://app.example.com"]"#).reloads(),
            Key::new("proxy.admin_api", Switch, "WHIPSTITCH_PROXY_ADMIN_API", "On: the Stream Manager's `/admin/` API can be reached through the proxy, by its WebSockets too. `GET /as/v1/admin/healthz`, the health check of load balancers, passes always.").reloads(),
            Key::new("proxy.forward", Forwarding, "WHIPSTITCH_PROXY_FORWARD", "What becomes of `/as/v1/proxy/forward/?target=…` of Stream Manager 2.0: `refuse`; or `nodes`, with which a request goes to the Stream Manager, which alone can sign it, if it brings `Authorization: Bearer` and its target is plain HTTP to a node, by the same rules as `host=`, at `nodes.port`. SocialPusher, the list of recordings and the interstitial pages need `nodes`.").reloads(),
        ],
    },
    Section {
        name: "sessions",
        meaning: "The sealed session URLs, in which any replica with the same key finds the node of a session again.",
        keys: &[
            Key::new("sessions.key_file", Path, "WHIPSTITCH_SESSION_KEY", "File with the keys that seal session URLs; the same on every replica. Checked every 10 s: a changed file applies without a restart, its first key seals, and the previous keys still open until the process ends. To rotate, add the new key as the last line on every replica; when all have read it, move it to the top; take the old one out after `sessions.lifetime`. A removed key opens nothing after a restart. Without a file, or while it does not exist, a key is made at start, and session URLs end with the process.")
                .flag("--session-key")
                .sample(r#""/etc/whipstitch/session.key""#),
            Key::new("sessions.by_client", Switch, "WHIPSTITCH_SESSIONS_BY_CLIENT", "On: a session URL without a token, as Red5's SDK makes one when it cannot read `Location`, reaches the session that this replica made for the same client (address, `User-Agent`, `Origin`, `Authorization`), and no other client's. Only such URLs are affected: `OPTIONS` and `POST` of one client stay on one node, and players are guarded against loops of counter-offers, with false too. Set it to false behind a NAT, a TCP load balancer, or a Kubernetes Service with `externalTrafficPolicy: Cluster`: they hide the addresses of clients."),
            Key::new("sessions.lifetime", Lifetime, "WHIPSTITCH_SESSIONS_LIFETIME", "Life of a session URL, counted from the answer that gave it."),
        ],
    },
    Section {
        name: "auth",
        meaning: "Who may publish and play. Without `auth.rules` everybody may, as far as nodes and Stream Manager let them.",
        keys: &[
            Key::new("auth.rules", Rules, "WHIPSTITCH_AUTH_RULES", "Who is judged how, each as role, pattern of scopes and method. Role: `publish` or `play`. Pattern: `live` is that scope, `*` any characters of one segment, `**` at the end any number of segments. Method: `jwt`, by the client's JSON Web Token, in `Authorization: Bearer` or the query key `token`; `open`, not at all; `refuse`. The first rule that fits counts; where there are rules and none fits, the client is refused.")
                .sample(r#"["publish live/** jwt", "play ** open"]"#).reloads(),
            Key::new("auth.key_file", Path, "WHIPSTITCH_AUTH_KEY_FILE", "File with the key that tokens are signed with, checked every 10 s: a public key in PEM form (RSA for RS256, P-256 for ES256, Ed25519 for EdDSA), or a secret of at least 32 bytes (HS256). The kind of the key decides the algorithm.")
                .sample(r#""/etc/whipstitch/jwt.pem""#),
            Key::new("auth.jwks_file", Path, "WHIPSTITCH_AUTH_JWKS_FILE", "File with a set of keys (JWKS, RFC 7517), checked every 10 s; its keys count besides that of `auth.key_file`. At most 64 keys.")
                .sample(r#""/etc/whipstitch/jwks.json""#),
            Key::new("auth.issuer", Text, "WHIPSTITCH_AUTH_ISSUER", "What the claim `iss` of every token has to be.")
                .sample(r#""https://issuer.example.com/""#).reloads(),
            Key::new("auth.audience", Text, "WHIPSTITCH_AUTH_AUDIENCE", "What the claim `aud` of every token has to be, or to hold. Without it `aud` is not looked at.")
                .sample(r#""live.example.com""#).reloads(),
            Key::new("auth.leeway", Duration, "WHIPSTITCH_AUTH_LEEWAY", "How far the clocks of issuers may be off: a token is good for so long after its `exp` and before its `nbf`, in whole seconds.").reloads(),
            Key::new("auth.pass_token", Switch, "WHIPSTITCH_AUTH_PASS_TOKEN", "On: the node gets the token that was judged, as the client sent it. Off: it is taken out.").reloads(),
        ],
    },
    Section {
        name: "ice",
        meaning: "The ICE servers that clients get in `Link` (RFC 9725 §4.6), on answers to an explicit OPTIONS and to the POST that makes a session. Red5's SDK reads one only, and cuts a password at `=`; it gets a TURN server with `username` and `credential_file` if there is one, and a STUN server otherwise.",
        keys: &[
            Key::new("ice.servers", IceServers, "WHIPSTITCH_ICE_SERVERS", "URLs of servers that every client is offered; only the node's own when empty.")
                .sample(r#"["stun:stun.example.com:3478", "turn:turn.example.com:3478?transport=udp"]"#),
            Key::new("ice.turn_secret_file", Path, "WHIPSTITCH_ICE_TURN_SECRET_FILE", "File with the secret that is shared with the TURN servers (`static-auth-secret` of coturn, with `use-auth-secret`), looked at every 10 s: every session gets credentials of its own, which end.")
                .sample(r#""/etc/whipstitch/turn.secret""#),
            Key::new("ice.turn_ttl", Duration, "WHIPSTITCH_ICE_TURN_TTL", "How long the credentials made with `ice.turn_secret_file` are good for; a TURN server refreshes no allocation past that."),
            Key::new("ice.username", Text, "WHIPSTITCH_ICE_USERNAME", "User name at the TURN servers, the same for every session. With `ice.turn_secret_file` too, only Red5's SDK gets it, which cannot read a password made with the secret.")
                .sample(r#""whipstitch""#),
            Key::new("ice.credential_file", Path, "WHIPSTITCH_ICE_CREDENTIAL_FILE", "File with the password of `ice.username`, looked at every 10 s. Without `=`, `;`, quotes and backslashes every client can read it.")
                .sample(r#""/etc/whipstitch/turn.password""#),
            Key::new("ice.replace", Switch, "WHIPSTITCH_ICE_REPLACE", "On: the node's own ICE servers are left out. Off: they stand behind those of `ice.servers`."),
        ],
    },
    Section {
        name: "lookup",
        meaning: "How long the Stream Manager's answers are remembered.",
        keys: &[
            Key::new("lookup.play_ttl", Duration, "WHIPSTITCH_LOOKUP_PLAY_TTL", "Life of the answer that names the node to play from; short, since the Stream Manager spreads viewers over nodes."),
            Key::new("lookup.play_uses", Count, "WHIPSTITCH_LOOKUP_PLAY_USES", "Most sessions that one answer to play is used for before the Stream Manager is asked anew, so that viewers spread over nodes as it wants."),
            Key::new("lookup.publish_endpoints", Count, "WHIPSTITCH_LOOKUP_PUBLISH_ENDPOINTS", "How many nodes the Stream Manager is asked for to publish, 64 at most; the first is used, the others are spares if it fails. With 1, spares are asked for when the node fails. No number is added to a lookup with `strict`, `transcode`, `geozone` or the client's own `endpoints`."),
            Key::new("lookup.play_endpoints", Count, "WHIPSTITCH_LOOKUP_PLAY_ENDPOINTS", "How many nodes the Stream Manager is asked for to play; with more than 1 they take equal turns, which needs fewer lookups and keeps spares, but levels what the manager prefers. 64 is the most. No number is added to a lookup with `strict`, `transcode`, `geozone` or the client's own `endpoints`."),
            Key::new("lookup.stale_for", Duration, "WHIPSTITCH_LOOKUP_STALE_FOR", "How long an answer is still used past its life while the Stream Manager does not give a newer one. An answer to a publish has no life: the Stream Manager is asked for every publish, and what it said before serves only while it does not answer."),
            Key::new("lookup.negative_ttl", Duration, "WHIPSTITCH_LOOKUP_NEGATIVE_TTL", "Life of the answer to players that there is no such stream. It ends at once when the stream is published through this proxy, and is not remembered for 5 s after that."),
            Key::new("lookup.by_network", ByNetwork, "WHIPSTITCH_LOOKUP_BY_NETWORK", "With whom a client that names no region, zone or subgroup shares what is remembered: `16/32` for the clients of its network, of these prefix lengths in IPv4 and IPv6, since Stream Manager 16.0 chooses the region by the client's address, which a lookup carries in `X-Forwarded-For`; `off` for every client; `auto` for `16/32` with `stream_manager.api` 2 and `off` with 1. Each network costs lookups and entries of its own."),
            Key::new("lookup.capacity", Count, "WHIPSTITCH_LOOKUP_CAPACITY", "Most answers remembered at once, of each kind: to play, to play with hints of the client's own, to publish."),
        ],
    },
    Section {
        name: "timeouts",
        meaning: "How long each wait on a node, the Stream Manager or a client's body may take.",
        keys: &[
            Key::new("timeouts.connect", Duration, "WHIPSTITCH_TIMEOUTS_CONNECT", "Longest wait for one TCP connection to a node, as far as `timeouts.answer` allows.").reloads(),
            Key::new("timeouts.answer", Duration, "WHIPSTITCH_TIMEOUTS_ANSWER", "All the time that one WHIP or WHEP request or WebSocket handshake may take of the Stream Manager and the nodes together: lookups, connections and answers, however many nodes are tried. The wait for the client's own body is not part of it. Below the 8 s after which OBS gives up.").reloads(),
            Key::new("timeouts.manager_answer", Duration, "WHIPSTITCH_TIMEOUTS_MANAGER_ANSWER", "Longest wait for the header of the Stream Manager's answer to a request that is passed on.").reloads(),
            Key::new("timeouts.body", Duration, "WHIPSTITCH_TIMEOUTS_BODY", "Longest wait for the whole body of a WHIP or WHEP request, and for the next piece of any other body.").reloads(),
            Key::new("timeouts.abandoned", Duration, "WHIPSTITCH_TIMEOUTS_ABANDONED", "How long the answer to a POST is still awaited when its client has left, or was told that it comes too late: the session that the node makes is then ended.").reloads(),
        ],
    },
    Section {
        name: "limits",
        meaning: "What all requests and sessions together may cost.",
        keys: &[
            Key::new("limits.in_flight", Count, "WHIPSTITCH_LIMITS_IN_FLIGHT", "Most requests that wait for their answer's header at once; further ones get 503.").reloads(),
            Key::new("limits.sockets", Count, "WHIPSTITCH_LIMITS_SOCKETS", "Most WebSocket sessions at once; further ones get 503. Each takes two file descriptors.").reloads(),
            Key::new("limits.event_streams", Count, "WHIPSTITCH_LIMITS_EVENT_STREAMS", "Most streams of server-sent events (WHEP extension) at once; further ones get 503. Each takes a connection to its node.").reloads(),
            Key::new("limits.sessions", Count, "WHIPSTITCH_LIMITS_SESSIONS", "Most WHIP and WHEP sessions in the session table; for a further one the oldest leaves it, which is no error to its client: its URL stays good. The table serves the list of sessions, the order of sessions at a node, URLs without a token, and counter-offers. About 1 KB each.").reloads(),
            Key::new("limits.sdp_bytes", Bytes, "WHIPSTITCH_LIMITS_SDP_BYTES", "Longest body of a request to WHIP, WHEP or an extension of theirs, in bytes; longer ones get 413.").reloads(),
            Key::new("limits.body_bytes", Bytes, "WHIPSTITCH_LIMITS_BODY_BYTES", "Longest body of any other request, in bytes; longer ones get 413.").reloads(),
        ],
    },
    Section {
        name: "connections",
        meaning: "What one client connection may cost.",
        keys: &[
            Key::new("connections.max", Count, "WHIPSTITCH_CONNECTIONS_MAX", "Most client connections open at once, over all addresses; further ones wait in the kernel's queue."),
            Key::new("connections.handshake_timeout", Duration, "WHIPSTITCH_CONNECTIONS_HANDSHAKE_TIMEOUT", "Longest wait for a TLS handshake to complete."),
            Key::new("connections.header_timeout", Duration, "WHIPSTITCH_CONNECTIONS_HEADER_TIMEOUT", "Longest wait for the header of a request, from its first byte; for the first request of a connection, from the accept."),
            Key::new("connections.idle_timeout", Duration, "WHIPSTITCH_CONNECTIONS_IDLE_TIMEOUT", "Longest wait for the next request of a connection that has had one; a balancer has to close its idle connections earlier. While `connections.max` is reached, the longest idle ones are closed at once."),
            Key::new("connections.h2_streams", Count, "WHIPSTITCH_CONNECTIONS_H2_STREAMS", "Most requests at once on one HTTP/2 connection."),
        ],
    },
    Section {
        name: "shutdown",
        meaning: "How a stop goes after SIGTERM or SIGINT.",
        keys: &[
            Key::new("shutdown.delay", Duration, "WHIPSTITCH_SHUTDOWN_DELAY", "How long clients are served as before after `/readyz` has begun to answer 503, and before sessions are closed, so that load balancers hear of it; `0s` for no delay. 5 to 10 s in Kubernetes."),
            Key::new("shutdown.deadline", Duration, "WHIPSTITCH_SHUTDOWN_DEADLINE", "Longest wait for requests and sessions to end, after `shutdown.delay`.")
        ],
    },
    Section {
        name: "admin",
        meaning: "The admin interface: who may ask what, besides the address in `listen.admin`.",
        keys: &[
            Key::new("admin.socket", Path, "WHIPSTITCH_ADMIN_SOCKET", "Unix socket of the admin interface, where every process that may write to it can read and change everything: made at start with mode 0660 in a folder that exists. Not served unless set.")
                .sample(r#""/run/whipstitch/admin.sock""#),
            Key::new("admin.hosts", Names, "WHIPSTITCH_ADMIN_HOSTS", "Host names, without port, under which `listen.admin` may be asked for more than metrics and probes, besides IP addresses and `localhost`. A request with another `Host` gets 403, so that no page of another site can read what is there.")
                .sample(r#"["proxy-1.example.com"]"#),
        ],
    },
    Section {
        name: "log",
        meaning: "What is written to standard output.",
        keys: &[
            Key::new("log.format", Format, "WHIPSTITCH_LOG_FORMAT", "Shape of a line: `text` for eyes, `json` for machines, `auto` for text on a terminal and JSON elsewhere."),
            Key::new("log.filter", Text, "WHIPSTITCH_LOG", "Which events are written: a level (`error`, `warn`, `info`, `debug`, `trace`), or levels by target as in `info,whipstitch_origin=debug` or `info,access=off`: `access` is one line an exchange, `session` one line a session, the others are modules.").reloads(),
        ],
    },
    Section {
        name: "tracing",
        meaning: "Traces: spans of exchanges and WebSockets for a collector of OpenTelemetry. Without `tracing.otlp`, `traceparent` and `tracestate` (W3C Trace Context) pass through as they come.",
        keys: &[
            Key::new("tracing.otlp", Collector, "WHIPSTITCH_TRACING_OTLP", "URL of a collector that takes OTLP over HTTP in binary protobuf, such as an OpenTelemetry Collector, Jaeger or Tempo; `/v1/traces` is added if there is no path. With it, nodes and the Stream Manager hear a `traceparent` of ours. At most 2048 spans wait for it; further ones are dropped, and counted in `whipstitch_spans_dropped_total`.")
                .sample(r#""http://127.0.0.1:4318""#),
            Key::new("tracing.sample", Ratio, "WHIPSTITCH_TRACING_SAMPLE", "Share of the traces begun here that is exported, from `0` for none to `1` for all. A trace that a believed `traceparent` names goes by the flag in there."),
            Key::new("tracing.parents", Parents, "WHIPSTITCH_TRACING_PARENTS", "Whose `traceparent` is believed, its sampled flag included: `forwarders` for those of `proxy.trusted`, `anyone`, or `nobody`. Other requests begin a new trace, with a link to the one of their header; with `anyone`, clients decide what is exported."),
        ],
    },
];

#[cfg(test)]
mod tests;
