//! How the Stream Manager is reached, beyond its URL.

use whipstitch_origin::{BaseUrl, connect::Roots};

use super::{Config, Finding, files};

pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    let manager = &config.stream_manager;
    // Any base will do: these are judged by themselves.
    let Ok(base) = BaseUrl::parse("https://h") else {
        return;
    };
    if let Some(prefix) = &manager.strip_prefix
        && let Err(error) = base.clone().without_prefix(prefix)
    {
        let what = format!("is not the beginning of a path such as \"/as/v1\": it {error}");
        found.push(Finding::new(["stream_manager.strip_prefix"], what));
    }
    if let Some(host) = &manager.host {
        match base.asking_for(host) {
            Err(error) => found.push(Finding::new(["stream_manager.host"], error.to_string())),
            Ok(base) if base.verified_name().is_err() => {
                let what = "is no name that a certificate can hold";
                found.push(Finding::new(["stream_manager.host"], what));
            }
            Ok(_) => {}
        }
    }
    ca_file(config, found);
}

fn ca_file(config: &Config, found: &mut Vec<Finding>) {
    let Some(path) = &config.stream_manager.ca_file else {
        return;
    };
    let key = "stream_manager.ca_file";
    // What cannot be used at the start is a mistake, and nothing else; the first look may know
    // better why.
    if let Err(error) = Roots::read(path) {
        let what = match files::check(path, files::Block::Certificate) {
            Err(what) => what,
            Ok(()) => format!("{} {error}", path.display()),
        };
        found.push(Finding::new([key], what));
    }
    let url = config.stream_manager.url.as_deref().unwrap_or_default();
    if url
        .get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
    {
        let what = "is only used over TLS, and stream_manager.url begins with http://";
        found.push(Finding::new([key, "stream_manager.url"], what));
    }
}
