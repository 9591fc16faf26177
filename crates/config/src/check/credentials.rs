//! The credentials for the Stream Manager's administration API, each for one generation of it.

use whipstitch_origin::{
    config::StreamManager,
    node_list::{AccessToken, Password, User},
};
use whipstitch_signaling::Api;

use super::{Config, Finding, secret_word};

const API: &str = "stream_manager.api";
const TOKEN: &str = "stream_manager.access_token_file";
const USER: &str = "stream_manager.user_file";
const PASSWORD: &str = "stream_manager.password_file";
const STRIP: &str = "stream_manager.strip_prefix";

/// Whether the list of nodes is polled.
pub(super) fn is_polled(manager: &StreamManager) -> bool {
    match manager.api {
        Api::V1 => manager.access_token_file.is_some(),
        Api::V2 => manager.user_file.is_some() && manager.password_file.is_some(),
    }
}

pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    let manager = &config.stream_manager;
    let (token, user) = (&manager.access_token_file, &manager.user_file);
    let password = &manager.password_file;
    if let Some(path) = token {
        match manager.api {
            Api::V1 => secret_word(TOKEN, path, AccessToken::parse, found),
            Api::V2 => found.push(Finding::new(
                [TOKEN, API],
                "belongs to Stream Manager 1.x, and stream_manager.api is \"2\": 2.0 takes a login; set stream_manager.user_file \
                 and stream_manager.password_file instead",
            )),
        }
    }
    if manager.api == Api::V1 {
        for key in [(USER, user), (PASSWORD, password)]
            .into_iter()
            .filter_map(|(key, path)| path.as_ref().map(|_| key))
        {
            found.push(Finding::new(
                [key, API],
                "belongs to Stream Manager 2.0, and stream_manager.api is \"1\": set stream_manager.api = \"2\", or for 1.x \
                 stream_manager.access_token_file",
            ));
        }
        return;
    }
    match (user, password) {
        (Some(_), None) => found.push(Finding::new(
            [USER, PASSWORD],
            "is set without stream_manager.password_file: a login takes both",
        )),
        (None, Some(_)) => found.push(Finding::new(
            [PASSWORD, USER],
            "is set without stream_manager.user_file: a login takes both",
        )),
        _ => {}
    }
    if user.is_some() && manager.strip_prefix.is_some() {
        let what = "is set together with stream_manager.strip_prefix: the login and the list of nodes are then asked of the \
                    service that stream_manager.url names, and as-streams answers neither; ask through the gateway, without \
                    strip_prefix";
        found.push(Finding::new([USER, STRIP], what).warning());
    }
    if let Some(path) = user {
        secret_word(USER, path, User::parse, found);
    }
    if let Some(path) = password {
        secret_word(PASSWORD, path, Password::parse, found);
    }
}
