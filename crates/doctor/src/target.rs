//! The server under test: its endpoints, derived from the URL that was given.

use crate::{Error, Options, Role, url::Url};

/// The placeholder for a stream's name in the path of an endpoint.
const STREAM: &str = "{stream}";

/// A generation of the Stream Manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    /// 1.x, API 4.0.
    V1,
    /// 2.0.
    V2,
    /// Not a Stream Manager.
    None,
}

/// A server and its endpoints.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The server: no path.
    pub(crate) base: Url,
    /// The application of the streams.
    pub(crate) app: String,
    /// What answers.
    pub(crate) manager: Manager,
    /// Whether the stream's name was chosen, so that all clients have to share it.
    stream: Option<String>,
    /// Whether another client publishes it.
    pub(crate) live: bool,
    publishing: Option<Place>,
    playing: Option<Place>,
}

/// Where an endpoint is.
#[derive(Clone, Debug)]
struct Place {
    url: Url,
    /// Whether the operator named it, so that it has to be there.
    required: bool,
}

impl Target {
    /// Reads the URL and what the options add.
    ///
    /// # Errors
    /// A URL that cannot be used.
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let read = |text: &str| Url::parse(text).ok_or_else(|| Error::Url(text.to_owned()));
        let given = read(&escape(&options.url))?;
        let base = given.with("/", None);
        let parsed = |text: &Option<String>| {
            let text = text.as_deref();
            text.map(|text| place(&base, text)).transpose()
        };
        let (mut publishing, mut playing) = (parsed(&options.whip)?, parsed(&options.whep)?);
        let mut app = given.path.trim_matches('/').to_owned();
        if let Some(role) = endpoint_of(&app) {
            let own = Place {
                url: given.clone(),
                required: true,
            };
            let other = Place {
                url: counterpart(&given, role),
                required: false,
            };
            let both = match role {
                Role::Publish => (own, other),
                Role::Play => (other, own),
            };
            publishing = publishing.or(Some(both.0));
            playing = playing.or(Some(both.1));
            app.clear();
        }
        let app = match (&options.app, app.is_empty()) {
            (Some(app), _) => app.trim_matches('/').to_owned(),
            (None, false) => app,
            (None, true) => "live".to_owned(),
        };
        if base
            .with(&format!("/{app}"), None)
            .target()
            .parse::<http::Uri>()
            .is_err()
        {
            return Err(Error::Option(format!(
                "--app {app} is not allowed in a URL"
            )));
        }
        let stream = options.stream.clone();
        if let Some(stream) = stream.as_deref().filter(|name| !is_name(name)) {
            return Err(Error::Option(format!(
                "--stream {stream} cannot be a stream's name: letters, digits, `-`, `_` and `.`"
            )));
        }
        Ok(Self {
            base,
            app,
            manager: Manager::None,
            stream,
            live: options.only_read,
            publishing,
            playing,
        })
    }

    /// The same endpoints at another server.
    pub(crate) fn at(&self, server: &Url) -> Self {
        let moved = |place: &Option<Place>| {
            let place = place.as_ref()?;
            Some(Place {
                url: server.with(&place.url.path, place.url.query.clone()),
                required: place.required,
            })
        };
        Self {
            base: server.with("/", None),
            publishing: moved(&self.publishing),
            playing: moved(&self.playing),
            ..self.clone()
        }
    }

    /// Every server that the operator named.
    pub(crate) fn servers(&self) -> Vec<Url> {
        let places = [&self.publishing, &self.playing].into_iter().flatten();
        let named = places
            .filter(|place| place.required)
            .map(|place| place.url.clone());
        std::iter::once(self.base.clone()).chain(named).collect()
    }

    /// The name of a stream for this client: a new one, unless one was chosen.
    pub(crate) fn name(&self, fresh: &str) -> String {
        self.stream.clone().unwrap_or_else(|| fresh.to_owned())
    }

    /// The endpoint of a stream, as clients are given it.
    pub(crate) fn endpoint(&self, role: Role, stream: &str) -> Url {
        let place = match role {
            Role::Publish => &self.publishing,
            Role::Play => &self.playing,
        };
        match place {
            Some(place) => place.url.with(
                &place.url.path.replace(&escape(STREAM), stream),
                fill(&place.url, stream),
            ),
            None => self.base.with(&self.usual(role, stream), None),
        }
    }

    /// Whether an endpoint of this role has to be there.
    pub(crate) fn is_required(&self, role: Role) -> bool {
        let place = match role {
            Role::Publish => &self.publishing,
            Role::Play => &self.playing,
        };
        match place {
            Some(place) => place.required,
            None => role == Role::Publish || self.manager != Manager::None,
        }
    }

    /// Whether the endpoint can be the URL that Red5's SDK builds by itself.
    pub(crate) fn is_classic(&self, role: Role) -> bool {
        let protocol = role.protocol();
        let path = self.endpoint(role, "name").path;
        path.rsplit_once('/')
            .is_some_and(|(folder, _)| folder.ends_with(&format!("/{protocol}/endpoint")))
    }

    fn usual(&self, role: Role, stream: &str) -> String {
        let (app, protocol) = (&self.app, role.protocol());
        match self.manager {
            Manager::V2 => format!("/as/v1/proxy/{protocol}/{app}/{stream}"),
            Manager::V1 | Manager::None => format!("/{app}/{protocol}/endpoint/{stream}"),
        }
    }
}

fn place(base: &Url, text: &str) -> Result<Place, Error> {
    let url = base
        .join(&escape(text))
        .ok_or_else(|| Error::Url(text.to_owned()))?;
    Ok(Place {
        url,
        required: true,
    })
}

/// Braces are not allowed in a URL.
fn escape(text: &str) -> String {
    text.replace('{', "%7B").replace('}', "%7D")
}

fn fill(url: &Url, stream: &str) -> Option<String> {
    let query = url.query.as_ref()?;
    Some(query.replace(&escape(STREAM), stream))
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= 128 && text.bytes().all(letter) && !text.starts_with('.')
}

/// What a path with a segment `whip` or `whep` is the endpoint of.
fn endpoint_of(path: &str) -> Option<Role> {
    path.rsplit('/').find_map(|segment| match segment {
        "whip" => Some(Role::Publish),
        "whep" => Some(Role::Play),
        _ => None,
    })
}

/// The other endpoint of the same stream: where `whip` is `whep`, and the other way round.
fn counterpart(url: &Url, role: Role) -> Url {
    let (own, other) = match role {
        Role::Publish => ("whip", "whep"),
        Role::Play => ("whep", "whip"),
    };
    let mut segments: Vec<&str> = url.path.split('/').collect();
    if let Some(segment) = segments.iter_mut().rev().find(|segment| **segment == own) {
        *segment = other;
    }
    url.with(&segments.join("/"), url.query.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn target(line: &str) -> Result<Target, Error> {
        use clap::Parser as _;
        let line = Line::parse_from(std::iter::once("doctor").chain(line.split_whitespace()));
        Target::new(&line.options)
    }

    fn places(line: &str) -> (String, String) {
        let target = target(line).unwrap();
        let place = |role| target.endpoint(role, "s1").to_string();
        (place(Role::Publish), place(Role::Play))
    }

    #[test]
    fn endpoints_by_the_url_that_was_given() {
        for (line, whip, whep) in [
            (
                "https://h",
                "https://h/live/whip/endpoint/s1",
                "https://h/live/whep/endpoint/s1",
            ),
            (
                "https://h/live/room1/",
                "https://h/live/room1/whip/endpoint/s1",
                "https://h/live/room1/whep/endpoint/s1",
            ),
            (
                "https://h --app vod",
                "https://h/vod/whip/endpoint/s1",
                "https://h/vod/whep/endpoint/s1",
            ),
            (
                "https://h:8889/cam/whip",
                "https://h:8889/cam/whip",
                "https://h:8889/cam/whep",
            ),
            (
                "https://h/live/whep/endpoint/x?a=b",
                "https://h/live/whip/endpoint/x?a=b",
                "https://h/live/whep/endpoint/x?a=b",
            ),
            (
                "https://h --whip /rtc/v1/whip/?app=live&stream={stream} --whep https://p/{stream}/whep",
                "https://h/rtc/v1/whip/?app=live&stream=s1",
                "https://p/s1/whep",
            ),
        ] {
            assert_eq!(places(line), (whip.to_owned(), whep.to_owned()), "{line}");
        }
    }

    #[test]
    fn endpoints_that_were_not_named_may_be_missing() {
        let whole = target("https://h/cam/whip").unwrap();
        assert!(whole.is_required(Role::Publish));
        assert!(!whole.is_required(Role::Play));
        assert!(!whole.is_classic(Role::Publish));
        let mut server = target("https://h").unwrap();
        assert!(server.is_classic(Role::Publish));
        assert!(!server.is_required(Role::Play));
        server.manager = Manager::V2;
        assert!(server.is_required(Role::Play));
        assert!(!server.is_classic(Role::Play));
        assert_eq!(
            server.endpoint(Role::Play, "s1").path,
            "/as/v1/proxy/whep/live/s1"
        );
    }

    #[test]
    fn wrong_urls_and_names() {
        for line in [
            "h",
            "ftp://h",
            "https://u:p@h",
            "https://h --whip ftp://x",
            "https://h --stream a/b",
            "https://h --stream ../x",
        ] {
            assert!(target(line).is_err(), "{line}");
        }
    }
}
