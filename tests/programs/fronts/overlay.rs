//! `deploy/stream-manager-2/docker-compose.override.yml`, read as far as the tests need it: its
//! variables as `docker compose` expands them, the container's environment, and the labels that
//! Traefik's Docker provider routes with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::front::localized;

const FILE: &str = "stream-manager-2/docker-compose.override.yml";

/// The file with the variables of an `.env` expanded.
pub(crate) struct Overlay(Vec<(String, String)>);

impl Overlay {
    pub(crate) fn read(env: &[(&str, &str)]) -> Self {
        let text = interpolated(&localized(FILE, &[]), env);
        let lines = text.lines().filter_map(|line| {
            let (name, value) = line.trim().split_once(": ")?;
            Some((name.to_owned(), value.trim_matches('"').to_owned()))
        });
        Self(lines.collect())
    }

    /// The value of a line, which occurs once.
    pub(crate) fn value(&self, name: &str) -> &str {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        let (_, value) = found.next().unwrap_or_else(|| panic!("{FILE}: no {name}"));
        assert!(found.next().is_none(), "{FILE}: {name} twice");
        value
    }

    /// The configuration for Traefik's file provider in place of the labels: the router, and the
    /// service with this address for its container, and these for the ports of the labels.
    pub(crate) fn routing(&self, ports: &BTreeMap<u16, u16>) -> (Value, Value) {
        let listener = |text: &str| {
            let wanted: u16 = text.parse().unwrap();
            ports
                .get(&wanted)
                .copied()
                .unwrap_or_else(|| panic!("{FILE}: nothing listens on {wanted}"))
        };
        let (mut router, mut service) = (json!({}), json!({}));
        for (label, value) in &self.0 {
            let Some(setting) = label.strip_prefix("traefik.http.") else {
                continue;
            };
            match setting {
                "routers.whipstitch.rule" | "routers.whipstitch.service" => {
                    router[setting.rsplit('.').next().unwrap()] = json!(value);
                }
                "routers.whipstitch.priority" => {
                    router["priority"] = json!(value.parse::<u32>().unwrap());
                }
                "routers.whipstitch.entrypoints" => router["entryPoints"] = json!([value]),
                "services.whipstitch.loadbalancer.server.port" => {
                    let url = format!("http://127.0.0.1:{}", listener(value));
                    service["servers"] = json!([{ "url": url }]);
                }
                "services.whipstitch.loadbalancer.healthcheck.port" => {
                    service["healthCheck"]["port"] = json!(listener(value));
                }
                other => {
                    let part = other
                        .strip_prefix("services.whipstitch.loadbalancer.healthcheck.")
                        .unwrap_or_else(|| panic!("{FILE}: the tests do not know {label}"));
                    service["healthCheck"][part] = json!(value);
                }
            }
        }
        (router, json!({ "loadBalancer": service }))
    }
}

/// `${NAME}`, `${NAME:-default}` and `${NAME:?words}`, as the Compose specification has them.
fn interpolated(text: &str, env: &[(&str, &str)]) -> String {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inner, rest) = part.split_once('}').expect("a variable ends");
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner.split(":?").next().unwrap_or_default(), None),
        };
        let set = env.iter().find(|(key, _)| *key == name);
        let value = set.map(|(_, value)| *value).or(default);
        whole += value.unwrap_or_else(|| panic!("{FILE}: {name} is not set"));
        whole += rest;
    }
    whole
}

#[test]
fn variables_are_put_in_as_compose_does() {
    let env = [("A", "1")];
    let put = interpolated("${A} ${A:-2} ${B:-3} ${A:?words}!", &env);
    assert_eq!(put, "1 1 3 1!");
}
