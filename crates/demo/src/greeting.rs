//! What the command prints: the addresses, and one line each on what to try.

use whipstitch_signaling::Api;

use crate::Demo;

/// What to read before starting: the end of `--help`.
pub const MORE_HELP: &str = "\
Ports, each moved by its flag:
  8443  the page and the proxy over TLS, with a certificate made at start,
        which the browser asks once whether to accept
  8080  the same over plain HTTP, on localhost: browsers allow the camera there
  9090  the proxy's /metrics, /livez and /readyz
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

With a real Stream Manager the proxy runs alone, without any of this:
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
    let nodes: Vec<_> = demo.nodes().iter().map(ToString::to_string).collect();
    format!(
        "\
Whipstitch is in front of a Stream Manager and {} nodes. Open one of

  {page}/
      over TLS: accept the certificate, press Publish, then Play
  {plain}/
      over plain HTTP, on this machine: no certificate to accept

or try

  curl -k '{page}{lookup}'
      which node would take a stream
  curl {admin}/metrics
      what the proxy has counted
  {plain}{whip}
      as the WHIP server in OBS on this machine, then Play on the page

Stream Manager {}, nodes {}. RUST_LOG=info shows each request. Ctrl-C stops all of it.",
        nodes.len(),
        demo.manager_url(),
        nodes.join(", "),
    )
}
