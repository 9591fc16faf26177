//! ICE servers, and how clients get in there. No message repeats what a file holds.

use whipstitch_signaling::ice::{Credentials, IceServer, IceUrl, TurnSecret};

use super::{Config, Finding, files, secret_word};

/// Most servers that make sense; browsers warn from five on, as each one slows the search for a
/// way.
const MOST: usize = 8;

pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    let ice = &config.ice;
    let secret = ice.turn_secret_file.as_deref();
    if let Some(path) = secret {
        secret_word("ice.turn_secret_file", path, TurnSecret::parse, found);
    }
    if let Some(path) = &ice.credential_file {
        let read = |text: &str| Credentials::fixed("", text);
        secret_word("ice.credential_file", path, read, found);
    }
    pair(config, found);
    if ice.servers.len() > MOST {
        let what = format!("lists {} servers; at most {MOST}", ice.servers.len());
        found.push(Finding::new(["ice.servers"], what));
    }
    relays(config, found);
}

/// A user name and a password, or neither.
fn pair(config: &Config, found: &mut Vec<Finding>) {
    let (username, file) = (&config.ice.username, &config.ice.credential_file);
    let mut missing = |key, other| {
        let what = format!("is missing: {other} is of no use without it");
        found.push(Finding::new([key, other], what));
    };
    match (username, file) {
        (Some(_), None) => missing("ice.credential_file", "ice.username"),
        (None, Some(_)) => missing("ice.username", "ice.credential_file"),
        _ => {}
    }
    if let Some(name) = username
        && (name.is_empty()
            || name.len() > 256
            || !name.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        let what = "is not one printable word of at most 256 bytes";
        found.push(Finding::new(["ice.username"], what));
    }
}

/// What TURN servers need, and what needs a TURN server.
fn relays(config: &Config, found: &mut Vec<Finding>) {
    let ice = &config.ice;
    let secret = ice.turn_secret_file.is_some();
    let fixed = ice.username.is_some() && ice.credential_file.is_some();
    let relay = ice.servers.iter().position(IceUrl::relays);
    match relay {
        Some(item) if !secret && !fixed => {
            let what = "is a TURN server, which asks for credentials: set ice.turn_secret_file, or ice.username and \
                        ice.credential_file";
            found.push(Finding::new(["ice.servers"], what).at(item));
        }
        Some(_) if !fixed => {
            let what = "makes passwords that end in `=`, at which Red5's SDK cuts them off: its users get no TURN \
                        server; set ice.username and ice.credential_file for them";
            found.push(Finding::new(["ice.turn_secret_file"], what).warning());
        }
        Some(item) => {
            if let Some(what) = illegible(config, item) {
                found.push(Finding::new(["ice.credential_file"], what).warning());
            }
        }
        None if secret || fixed => {
            let key = if secret {
                "ice.turn_secret_file"
            } else {
                "ice.username"
            };
            let what = "is not used: ice.servers lists no TURN server";
            found.push(Finding::new([key, "ice.servers"], what).warning());
        }
        None => {}
    }
    if ice.replace && ice.servers.is_empty() {
        let what = "leaves the node's ICE servers out, and ice.servers lists none: clients are told of none at all";
        found.push(Finding::new(["ice.replace", "ice.servers"], what).warning());
    }
}

/// Whether the fixed password is one that Red5's SDK cannot read.
fn illegible(config: &Config, item: usize) -> Option<String> {
    let text = files::readable(config.ice.credential_file.as_deref()?).ok()?;
    let server = IceServer {
        url: config.ice.servers.get(item)?.clone(),
        credentials: Credentials::fixed(config.ice.username.as_deref()?, &text).ok(),
    };
    let what = "holds `=`, `;`, a quote or a backslash (or ice.username does), which Red5's SDK cannot read: its users \
                get no TURN server";
    (!server.is_legible_to_red5()).then(|| what.to_owned())
}
