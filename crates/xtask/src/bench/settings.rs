//! The targets' configuration: one worker, no access log, kept connections to the node, nothing
//! tuned for one work alone.

use super::target::World;
use super::wire;

/// Whipstitch without the access lines that its layers write at level info; the peers write none
/// either.
pub(super) const WHIPSTITCH: &str = "[log]\nfilter = \"info,access=off,session=off\"\n";

/// Whipstitch as it is shipped: with an access line for each request.
pub(super) const AS_SHIPPED: &str = "# Everything else by default.\n";

/// The command line of Whipstitch.
pub(super) fn whipstitch(world: &World, port: u16) -> Vec<String> {
    let certificate = &world.certificate;
    [
        (
            "--stream-manager",
            format!("http://127.0.0.1:{}", world.manager),
        ),
        ("--https", format!("127.0.0.1:{port}")),
        ("--cert", certificate.chain.display().to_string()),
        ("--key", certificate.key.display().to_string()),
        ("--node-port", world.node.to_string()),
        ("--allow-nodes", "127.0.0.0/8".to_owned()),
    ]
    .into_iter()
    .flat_map(|(flag, value)| [flag.to_owned(), value])
    .collect()
}

/// A configuration of `HAProxy`.
pub(super) fn haproxy(world: &World, port: u16) -> String {
    let (node, node_port) = (wire::NODE, world.node);
    let certificate = world.certificate.both.display();
    format!(
        "\
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  http-reuse always
frontend tls
  bind 127.0.0.1:{port} ssl crt {certificate} alpn h2,http/1.1
  option forwardfor
  default_backend node
backend node
  server node {node}:{node_port}
"
    )
}

/// A configuration of nginx; `wide` gives it buffers that hold a WebSocket message of 16 KB.
pub(super) fn nginx(world: &World, port: u16, wide: bool) -> String {
    let (node, node_port) = (wire::NODE, world.node);
    let (chain, key) = (
        world.certificate.chain.display(),
        world.certificate.key.display(),
    );
    let buffers = if wide {
        "proxy_buffer_size 32k; proxy_buffers 8 32k; proxy_busy_buffers_size 64k;"
    } else {
        ""
    };
    format!(
        "\
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 10000; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  map $http_upgrade $hop {{ default upgrade; '' ''; }}
  upstream node {{ server {node}:{node_port}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {chain};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    keepalive_requests 1000000000;
    {buffers}
    location / {{
      proxy_pass http://node;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $hop;
    }}
  }}
}}
"
    )
}
