//! Pingora as a reverse proxy with one worker: TLS in, one plain node out.
//!
//! `whipstitch-bench-pingora LISTEN CHAIN KEY NODE`

use async_trait::async_trait;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;

struct ToNode(String);

#[async_trait]
impl ProxyHttp for ToNode {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(
            self.0.as_str(),
            false,
            String::new(),
        )))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        (): &mut (),
    ) -> Result<()> {
        if let Some(client) = session.client_addr().and_then(|addr| addr.as_inet()) {
            request.insert_header("x-forwarded-for", client.ip().to_string())?;
        }
        Ok(())
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, chain, key, node] = arguments.as_slice() else {
        eprintln!("usage: whipstitch-bench-pingora LISTEN CHAIN KEY NODE");
        std::process::exit(64);
    };
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: 64,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, ToNode(node.clone()));
    let mut tls = TlsSettings::intermediate(chain, key).expect("a certificate and its key");
    tls.enable_h2();
    service.add_tls_with_settings(listen, None, tls);
    server.add_service(service);
    server.run_forever();
}
