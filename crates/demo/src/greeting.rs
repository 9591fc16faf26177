//! What the command prints: the addresses, and one line each on what to try.

use crate::Demo;

/// What to read before starting: the end of `--help`.
pub const MORE_HELP: &str = "\
Ports, each moved by its flag:
  8443  the page and the proxy over TLS, with a certificate made at start (the browser asks once whether to trust it)
  8080  the same over plain HTTP, on localhost, where browsers allow the camera too
  9090  the proxy's /metrics, /livez and /readyz
  5080  the Stream Manager on 127.0.0.1 and the nodes on 127.0.0.2 and 127.0.0.3, plain HTTP
  UDP   each node takes a free port for media: ICE connects browser and node directly, not through the proxy

From another machine:
  whipstitch-demo --address 192.0.2.10      this machine's address; open TCP 8443 and UDP for it

With a real Stream Manager the proxy runs alone:
  whipstitch run --stream-manager http://SM:5080 --https 0.0.0.0:443 --cert cert.pem --key key.pem";

/// The lines printed once everything listens.
pub fn greeting(demo: &Demo) -> String {
    let page = demo.https_url();
    let mut lines = vec![
        "Whipstitch is in front of a Stream Manager and two nodes. Open one of".to_owned(),
        String::new(),
        format!("  {page}/   over TLS: accept the certificate, press Publish, then Play"),
        format!(
            "  {}/   plain HTTP: the same without a certificate to accept",
            demo.http_url()
        ),
        String::new(),
        "or try".to_owned(),
        String::new(),
        format!(
            "  curl -k '{page}/streammanager/api/4.0/event/live/demo?action=broadcast'   which node would take a stream"
        ),
        format!(
            "  curl {}/metrics   what the proxy counted",
            demo.admin_url()
        ),
        format!("  {page}/live/whip/endpoint/demo   the WHIP address for OBS and others"),
        String::new(),
    ];
    let nodes: Vec<_> = demo.nodes().iter().map(ToString::to_string).collect();
    lines.push(format!(
        "Stream Manager {}, nodes {}. Ctrl-C stops all of it.",
        demo.manager_url(),
        nodes.join(" and ")
    ));
    lines.join("\n")
}
