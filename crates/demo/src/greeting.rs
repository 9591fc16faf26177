//! What the command prints: the addresses, and one line each on what to try.

use whipstitch_signaling::Api;

use crate::Demo;

/// What to read before starting: the end of `--help`.
pub const MORE_HELP: &str = "\
Ports, each moved by its flag:
  8443  the page and the proxy over TLS, with a certificate made at start,
        which the browser asks once whether to accept
  8080  the same over plain HTTP, on localhost: browsers allow the camera there
  9090  the proxy's status page, /metrics, /livez and /readyz
  5080  the Stream Manager on 127.0.0.1, the nodes on 127.0.0.2, 127.0.0.3 and so on
  UDP   each node takes a free port for media: ICE connects browser and node
        directly, not through the proxy

Browser on another machine (open TCP 8443 and UDP towards this one):
  whipstitch-demo --address 192.0.2.10

The same with the URLs of Stream Manager 2.0:
  whipstitch-demo --api 2

Nodes in two regions, for Region and Strict on the page:
  whipstitch-demo --region us-east-1 --region eu-west-1

Transcode on the page needs a provision: the stream `demo` has one, others get one by
  whipstitch-demo --provision NAME

A node's number and Enter kill that node, and revive it; the page has buttons for that.

The page in front of your own Stream Manager (1.x, or 2.0 with --api 2), with settings and
credentials as the proxy takes them:
  WHIPSTITCH_STREAM_MANAGER_ACCESS_TOKEN_FILE=token \\
      whipstitch-demo --stream-manager http://SM:5080

The proxy alone, without any of this:
  whipstitch run --stream-manager http://SM:5080 --https 0.0.0.0:443 \\
      --cert cert.pem --key key.pem";

/// The lines printed once everything listens.
pub fn greeting(demo: &Demo) -> String {
    let (page, plain, admin) = (demo.https_url(), demo.http_url(), demo.admin_url());
    let (lookup, whip) = match demo.api() {
        Api::V1 => (
            "/streammanager/api/4.0/event/live/demo?action=broadcast",
            "/live/whip/endpoint/demo",
        ),
        Api::V2 => (
            "/as/v1/streams/stream/default/publish/live/demo",
            "/as/v1/proxy/whip/live/demo",
        ),
    };
    format!(
        "\
Whipstitch is in front of {}. Open one of

  {page}/
      over TLS: accept the certificate, press Publish, then Play
  {plain}/
      over plain HTTP, on this machine: no certificate to accept
  {admin}/
      the proxy's status page: sessions, nodes, errors

or try

  curl -k '{page}{lookup}'
      which node would take a stream
  {plain}{whip}
      as the WHIP server in OBS on this machine, then Play on the page
{}
RUST_LOG=info shows each request. Ctrl-C stops all of it.",
        before(demo),
        keys(demo),
    )
}

/// What is behind the proxy.
fn before(demo: &Demo) -> String {
    match demo.nodes().len() {
        0 => format!("your Stream Manager {}", demo.manager_url()),
        nodes => format!(
            "a Stream Manager ({}) and {nodes} nodes",
            demo.manager_url()
        ),
    }
}

/// Which key does what to which node; nothing without nodes of our own.
fn keys(demo: &Demo) -> String {
    let line = |(number, node): (usize, std::net::SocketAddr)| {
        format!("\n  {number} and Enter\n      kills node {number} ({node}), and revives it")
    };
    let lines: String = (1..).zip(demo.nodes()).map(line).collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\nSee a failover: publish, play, and type\n{lines}\n")
    }
}
