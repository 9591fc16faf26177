//! Whether `[auth]` can judge what its rules want judged.

use whipstitch_auth::{Method, Rule};
use whipstitch_signaling::Role;

use super::{Config, Finding};
use crate::auth_keys;

const RULES: &str = "auth.rules";
/// A scope that no operator has: only `**` holds it.
const ANY_SCOPE: &str = "~/~/~/~";

pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    let auth = &config.auth;
    if let Err(unusable) = auth_keys::read(auth, |_| {}) {
        found.push(Finding::new([unusable.key], unusable.what));
    }
    let has_keys = auth.key_file.is_some() || auth.jwks_file.is_some();
    let wants = |method| auth.rules.iter().any(|rule| rule.method() == method);
    if wants(Method::Jwt) && !has_keys {
        let what = "wants tokens (`jwt`), and there is no key to check them with: set auth.key_file or auth.jwks_file";
        found.push(Finding::new(
            [RULES, "auth.key_file", "auth.jwks_file"],
            what,
        ));
    }
    if !wants(Method::Jwt) && has_keys {
        let key = if auth.key_file.is_some() {
            "auth.key_file"
        } else {
            "auth.jwks_file"
        };
        let what = "is not used: no entry of auth.rules ends with `jwt`";
        found.push(Finding::new([key, RULES], what).warning());
    }
    for (role, word) in [(Role::Publish, "publish"), (Role::Play, "play")] {
        if !auth.rules.is_empty() && !judges_all(&auth.rules, role) {
            let what = format!(
                "judges some scopes only for `{word}`, or none: clients in all others are refused; end it with \
                 \"{word} ** open\", or with \"{word} ** refuse\" if that is meant"
            );
            found.push(Finding::new([RULES], what).warning());
        }
    }
    if auth.issuer.is_some() && !wants(Method::Jwt) {
        let what = "is not used: no entry of auth.rules ends with `jwt`";
        found.push(Finding::new(["auth.issuer", RULES], what).warning());
    }
}

fn judges_all(rules: &[Rule], role: Role) -> bool {
    rules.iter().any(|rule| rule.is_for(role, ANY_SCOPE))
}
