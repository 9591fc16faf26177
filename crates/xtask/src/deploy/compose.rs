//! The compose files, merged and filled in by podman-compose: no engine is needed for that.
//!
//! Red5's own file cannot be kept here. In its place is a base with the services and the one
//! network that the overlay is merged into, written anew.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::{fs, process::Command};

use serde_json::{Value, json};

use super::Bench;
use super::pod::{list_at, text};
use super::report::{Report, none};
use crate::{Result, command};

const DOCKER: &str = "docker/compose.yaml";
const WATCH: &str = "docker/watch.yaml";
const DEMO: &str = "docker/demo.yaml";
const OVERLAY: &str = "stream-manager-2/docker-compose.override.yml";
/// The names under which `docker compose` reads a file and its overlay by itself.
const NAMES: [&str; 2] = ["docker-compose.yml", "docker-compose.override.yml"];
/// Seconds that connections have to flush their last answer, and that the engine may be late.
const SPARE: u64 = 1 + 4;
const BASE: &str = "
services:
  as-streams:
    image: as-streams
    labels:
      traefik.enable: true
      traefik.http.routers.streams.rule: PathPrefix(`/as/v1/streams`) && Host(`${TRAEFIK_HOST}`)
  reverse-proxy:
    image: traefik
    command: --providers.docker=true --entrypoints.websecure.address=:443
    ports:
      - 443:443
";
/// podman-compose asks for podman's version before it does anything.
const PODMAN: &str = "#!/bin/sh\necho podman version 5.0.0\n";

/// The file for one host, and the overlay for a Stream Manager 2.0.
pub(crate) fn check(bench: &Bench, report: &mut Report) {
    report.check("docker/compose.yaml: it is what a host needs", || {
        let merged = merge(bench, &bench.read(DOCKER)?, None, "")?;
        let mut wrong = faults(&merged, &bench.read("docker/whipstitch.toml")?);
        let asks = json!(["CMD", "/usr/bin/whipstitch", "status"]);
        if merged.pointer("/services/whipstitch/healthcheck/test") != Some(&asks) {
            wrong.push(format!("the health check does not run {asks}"));
        }
        none(&wrong)
    });
    for file in [DOCKER, DEMO] {
        let name = format!("{WATCH}: {file} stays as it is, and every file is there");
        report.check(&name, || {
            let (base, watch) = (bench.read(file)?, bench.read(WATCH)?);
            let merged = merge(bench, &base, Some(&watch), "")?;
            let mut wrong = changed(&merged, &merge(bench, &base, None, "")?);
            wrong.extend(absent(bench, &merged));
            none(&wrong)
        });
    }
    report.check(
        &format!("{DEMO}: it is as closed as compose.yaml, and its image can be built"),
        || {
            let merged = merge(bench, &bench.read(DEMO)?, None, "")?;
            let mut wrong = open(&merged, "demo");
            let target = text(&merged, "/services/demo/build/target");
            let dockerfile = bench.read("docker/Dockerfile")?;
            let stage = |line: &str| line.starts_with("FROM ") && line.ends_with(" AS demo");
            if target != "demo" || !dockerfile.lines().any(stage) {
                wrong.push(format!("the Dockerfile has no stage {target:?}"));
            }
            none(&wrong)
        },
    );
    report.check(
        "docker/prometheus.yml: promtool takes it, with its rules",
        || {
            for (from, to) in [
                ("docker/prometheus.yml", "prometheus.yml"),
                ("prometheus/recording.yml", "recording.yml"),
                ("prometheus/alerts.yml", "alerts.yml"),
            ] {
                bench.write(&format!("watch/{to}"), &bench.read(from)?)?;
            }
            let mut promtool = Command::new("promtool");
            promtool
                .args(["check", "config"])
                .arg(bench.scratch.join("watch/prometheus.yml"));
            command::output(&mut promtool, b"")
        },
    );
    for file in ["datasource", "dashboards"] {
        report.check(
            &format!("docker/grafana/{file}.yaml: it is YAML of version 1"),
            || {
                let documents = bench
                    .tools
                    .yaml(&bench.read(&format!("docker/grafana/{file}.yaml"))?)?;
                let version = documents.first().and_then(|one| one.get("apiVersion"));
                none(&Vec::from_iter(
                    (version != Some(&json!(1))).then(|| format!("{version:?}")),
                ))
            },
        );
    }
    for (env, expected) in [
        (
            "TRAEFIK_HOST=sm.example.com\nTRAEFIK_IP=192.0.2.7\n",
            ("https://sm.example.com", "websecure", "192.0.2.7"),
        ),
        (
            "TRAEFIK_HOST=sm.example.com\nWHIPSTITCH_ENTRYPOINT=web\n",
            ("https://sm.example.com", "web", "127.0.0.1"),
        ),
    ] {
        let name = format!(
            "{OVERLAY}: it joins a Stream Manager's services, {}",
            expected.1
        );
        report.check(&name, || {
            let merged = merge(bench, BASE, Some(&bench.read(OVERLAY)?), env)?;
            let alone = merge(bench, BASE, None, env)?;
            let mut wrong = faults(&merged, &bench.read("stream-manager-2/whipstitch.toml")?);
            wrong.extend(changed(&merged, &alone));
            wrong.extend(joined(&merged, expected));
            none(&wrong)
        });
    }
    report.check(
        &format!("{OVERLAY}: it needs the host's name"),
        || match merge(bench, BASE, Some(&bench.read(OVERLAY)?), "") {
            Err(error) if error.to_string().contains("TRAEFIK_HOST") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err("it was taken without".into()),
        },
    );
}

/// The output of `docker compose config`, as one document.
fn merge(bench: &Bench, base: &str, overlay: Option<&str>, env: &str) -> Result<Value> {
    let folder = bench.scratch.join("compose");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let [first, second] = NAMES;
    bench.write(&format!("compose/{first}"), base)?;
    bench.write("compose/.env", env)?;
    if let Some(overlay) = overlay {
        bench.write(&format!("compose/{second}"), overlay)?;
    }
    let podman = bench.write("compose/bin/podman", PODMAN)?;
    fs::set_permissions(&podman, fs::Permissions::from_mode(0o755))?;
    let mut compose = bench.tools.python();
    compose
        .args(["-m", "podman_compose", "config"])
        .env("PATH", path(podman.parent().unwrap_or(&folder)))
        .current_dir(&folder);
    let mut documents = bench.tools.yaml(&output(&mut compose)?)?;
    documents.pop().ok_or_else(|| "nothing came out".into())
}

fn output(compose: &mut Command) -> Result<String> {
    // The caller's variables would win over those of the file.
    for name in ["TRAEFIK_HOST", "TRAEFIK_IP", "COMPOSE_FILE"] {
        compose.env_remove(name);
    }
    command::output(compose, b"")
}

/// The search path with this folder before all others.
fn path(first: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut whole = first.as_os_str().to_owned();
    whole.push(":");
    whole.push(path);
    whole
}

/// What a container may do beyond what it needs.
fn open(merged: &Value, service: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let at = |path: &str| merged.pointer(&format!("/services/{service}/{path}"));
    let expected = [
        ("read_only", json!(true)),
        ("cap_drop", json!(["ALL"])),
        ("security_opt", json!(["no-new-privileges:true"])),
    ];
    for (key, value) in expected {
        if at(key) != Some(&value) {
            wrong.push(format!("{key} is not {value}"));
        }
    }
    let image = at("image").and_then(Value::as_str).unwrap_or_default();
    if !image.contains(':') || image.ends_with(":latest") {
        wrong.push(format!("the image {image:?} is not pinned"));
    }
    wrong
}

/// What is wrong with Whipstitch's container, in either file.
fn faults(merged: &Value, configuration: &str) -> Vec<String> {
    let mut wrong = open(merged, "whipstitch");
    let grace = merged.pointer("/services/whipstitch/stop_grace_period");
    let seconds = |value: Option<&str>| value?.strip_suffix('s')?.parse::<u64>().ok();
    let setting = |key: &str| {
        configuration.lines().find_map(|line| {
            let value = line.strip_prefix(key)?.strip_prefix(" = \"")?;
            value.strip_suffix('"')
        })
    };
    let grace = seconds(grace.and_then(Value::as_str));
    // Without a delay set, there is none.
    let delay = setting("delay").map_or(Some(0), |delay| seconds(Some(delay)));
    match (delay, seconds(setting("deadline")), grace) {
        (Some(delay), Some(deadline), Some(grace)) if delay + deadline + SPARE <= grace => {}
        all => wrong.push(format!(
            "shutdown.delay, shutdown.deadline and stop_grace_period do not fit with {SPARE} s to spare, \
             or one is missing: {all:?}"
        )),
    }
    wrong
}

/// Files of the project that a service mounts, by their path from `deploy/docker`, and that are not
/// there. Secrets are made by the operator.
fn absent(bench: &Bench, merged: &Value) -> Vec<String> {
    let services = merged.get("services").and_then(Value::as_object);
    let volumes = services
        .into_iter()
        .flatten()
        .flat_map(|(_, service)| list_at(service, "/volumes"))
        .filter_map(Value::as_str)
        .filter_map(|volume| volume.split(':').next())
        .filter(|from| from.starts_with('.') && *from != "./secrets");
    let folder = bench.root.join("deploy/docker");
    volumes
        .filter(|from| !folder.join(from).is_file())
        .map(|from| format!("{from} is not there"))
        .collect()
}

/// What the overlay does to the services that were there.
fn changed(merged: &Value, alone: &Value) -> Vec<String> {
    let there = alone.get("services").and_then(Value::as_object);
    let services = there.into_iter().flatten();
    let touched = services
        .filter(|(name, before)| merged.pointer(&format!("/services/{name}")) != Some(*before));
    touched
        .map(|(name, _)| format!("{name} is changed"))
        .collect()
}

/// Whether Traefik finds it, by these names, and nothing else does.
fn joined(merged: &Value, (url, entry, address): (&str, &str, &str)) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(service) = merged.pointer("/services/whipstitch") else {
        return vec!["there is no whipstitch".to_owned()];
    };
    if service.get("ports").is_some() {
        wrong.push("it publishes a port".to_owned());
    }
    for (path, value) in [
        ("/environment/WHIPSTITCH_PROXY_PUBLIC_URL", url),
        ("/labels/traefik.http.routers.whipstitch.entrypoints", entry),
        ("/labels/traefik.http.routers.whipstitch.priority", "1000"),
        ("/labels/traefik.enable", "true"),
    ] {
        if text(service, path) != value {
            wrong.push(format!("{path} is not {value}"));
        }
    }
    let rule = text(service, "/labels/traefik.http.routers.whipstitch.rule");
    for part in ["Host(`sm.example.com`)", &format!("Host(`{address}`)")] {
        if !rule.contains(part) {
            wrong.push(format!("the rule has no {part}: {rule}"));
        }
    }
    if rule.contains("forward") || rule.contains('$') {
        wrong.push(format!("the rule is {rule}"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(grace: &str) -> Value {
        json!({"services": {"whipstitch": {
            "image": "whipstitch:1", "read_only": true, "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"], "stop_grace_period": grace,
        }}})
    }

    #[test]
    fn the_grace_period_is_longer_than_the_whole_end() {
        let configuration = "delay = \"5s\"\ndeadline = \"20s\"\n";
        assert_eq!(faults(&service("30s"), configuration), [""; 0]);
        assert_eq!(faults(&service("29s"), configuration).len(), 1);
        assert_eq!(faults(&service("1m"), configuration).len(), 1);
        assert_eq!(faults(&json!({}), configuration).len(), 5);
    }

    #[test]
    fn an_overlay_that_changes_a_service_is_told() {
        let alone = json!({"services": {"a": {"image": "a"}, "b": {"image": "b"}}});
        let merged = json!({"services": {"a": {"image": "a"}, "b": {"image": "c"}, "d": {}}});
        assert_eq!(changed(&merged, &alone), ["b is changed"]);
    }
}
