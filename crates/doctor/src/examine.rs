//! The whole run: find the server, run every client in turn, report the results.

use std::{fs, time::Duration};

use http::HeaderValue;
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Options, Report, Role, Row,
    client::{Client, Needs},
    clients::{self, rfc},
    dialogue::{self, Dialogue},
    manager, media, mistakes,
    play::{Environment, Visit},
    replicas,
    rule::skipped,
    sdp,
    target::{Manager, Target},
    tls,
    transcript::Transcript,
    wire::Wire,
};

/// Longest token, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// Runs every client that the options choose against their URL. `stop` ends it early: no new
/// session is created, and the open one is deleted.
///
/// # Errors
/// An option cannot be used, or there is no answer.
pub async fn examine(options: &Options, stop: &CancellationToken) -> Result<Report, Error> {
    let mut target = Target::new(options)?;
    let chosen = choose(options)?;
    let wire = Wire {
        tls: tls::config(options)?,
        patience: Duration::from_secs(u64::from(options.timeout)),
        bearer: options.bearer_file.as_deref().map(bearer).transpose()?,
        named: target.servers(),
        address: None,
    };
    let found = manager::find(&wire, &target).await;
    if let Some(words) = mistakes::scheme(&wire, &target.base, &found).await {
        return Err(Error::Unreachable(target.base.origin(), words));
    }
    let found = found.map_err(|words| Error::Unreachable(target.base.origin(), words))?;
    target.manager = match options.api {
        Some(1) => Manager::V1,
        Some(_) => Manager::V2,
        None => found,
    };
    let environment = Environment {
        wire: &wire,
        target: &target,
        origin: &options.origin,
        stop,
    };
    let role = if options.only_read {
        Role::Play
    } else {
        Role::Publish
    };
    let fresh = |part: &str| target.name(&format!("doctor-{}-{part}", sdp::random_hex(8)));
    if target.manager == Manager::None {
        mistakes::endpoint(&environment, role, &fresh("endpoint")).await?;
    }
    let examination = Examination {
        environment,
        chosen,
    };
    let mut rows = examination.rows(options.only_read).await;
    let mut notes = Vec::new();
    if options.media {
        let look = media::look(&environment, role, &fresh("media")).await;
        rows.extend(look.rows);
        notes.extend(look.note);
    }
    rows.extend(replicas::look(options, &environment, &fresh("replicas")).await?);
    Ok(Report {
        url: target.base.origin(),
        server: match target.manager {
            Manager::V1 => "Stream Manager 1.x",
            Manager::V2 => "Stream Manager 2.0",
            Manager::None => "no Stream Manager",
        },
        rows,
        notes,
        all: options.output.all,
    })
}

/// The clients to run, and whether the operator named them.
struct Chosen {
    clients: Vec<&'static Client>,
    dialogues: Vec<Role>,
    named: bool,
}

fn known() -> impl Iterator<Item = &'static Client> {
    clients::ALL.into_iter()
}

fn choose(options: &Options) -> Result<Chosen, Error> {
    let roles = [Role::Publish, Role::Play];
    let named = !options.clients.is_empty();
    for id in &options.clients {
        if !known().any(|client| client.id == id)
            && !roles.iter().any(|role| dialogue::id(*role) == id)
        {
            let ids = known()
                .map(|client| client.id)
                .chain(roles.map(dialogue::id));
            return Err(Error::Client(
                id.clone(),
                ids.collect::<Vec<_>>().join(", "),
            ));
        }
    }
    let wanted = |id: &str, role: Role| {
        (!named || options.clients.iter().any(|name| name == id))
            && !(options.only_read && role == Role::Publish)
    };
    let chosen = Chosen {
        clients: known()
            .filter(|client| wanted(client.id, client.role))
            .collect(),
        dialogues: roles
            .into_iter()
            .filter(|role| wanted(dialogue::id(*role), *role))
            .collect(),
        named,
    };
    if chosen.clients.is_empty() && chosen.dialogues.is_empty() {
        return Err(Error::Nothing(options.clients.join(", ")));
    }
    Ok(chosen)
}

fn bearer(file: &std::path::Path) -> Result<HeaderValue, Error> {
    let wrong = |words: String| Error::File(file.display().to_string(), words);
    let token = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let token = token.trim();
    if token.is_empty() || token.len() > MAX_TOKEN {
        return Err(wrong(format!("holds no token of 1 to {MAX_TOKEN} bytes")));
    }
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| wrong("holds more than a token".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

struct Examination<'s> {
    environment: Environment<'s>,
    chosen: Chosen,
}

impl Examination<'_> {
    async fn rows(&self, only_read: bool) -> Vec<Row> {
        let mut rows = Vec::new();
        let name = format!("doctor-{}", sdp::random_hex(8));
        for client in self.of(Role::Publish) {
            rows.extend(self.visit(client, &format!("{name}-{}", client.id)).await);
        }
        if self.chosen.dialogues.contains(&Role::Publish) {
            rows.extend(self.dialogue(Role::Publish, &format!("{name}-rtc")).await);
        }
        let watches =
            self.of(Role::Play).next().is_some() || self.chosen.dialogues.contains(&Role::Play);
        if watches && !self.environment.stop.is_cancelled() {
            rows.extend(self.watch(&format!("{name}-live"), only_read).await);
        }
        rows
    }

    fn of(&self, role: Role) -> impl Iterator<Item = &'static Client> {
        let clients = self.chosen.clients.iter().copied();
        clients.filter(move |client| client.role == role)
    }

    /// Runs all players while a stream is published.
    async fn watch(&self, name: &str, only_read: bool) -> Vec<Row> {
        let stream = self.environment.target.name(name);
        let mut publisher = Visit::new(&self.environment, &rfc::WHIP, &stream);
        if !only_read {
            publisher.begin().await;
        }
        let mut rows = Vec::new();
        for client in self.of(Role::Play) {
            rows.extend(self.visit(client, &stream).await);
        }
        if self.chosen.dialogues.contains(&Role::Play) {
            rows.extend(self.dialogue(Role::Play, &stream).await);
        }
        if !only_read {
            publisher.end().await;
        }
        rows
    }

    async fn visit(&self, client: &'static Client, fresh: &str) -> Vec<Row> {
        if self.environment.stop.is_cancelled() {
            return Vec::new();
        }
        let stream = self.environment.target.name(fresh);
        let visit = match self.refuses(client) {
            Some(why) => Err(why),
            None => Ok(Visit::new(&self.environment, client, &stream)
                .play(&stream)
                .await),
        };
        let judge = |visit: &Result<Transcript, &str>,
                     check: fn(&Transcript) -> crate::rule::Outcome| match visit
        {
            Ok(visit) => check(visit),
            Err(why) => skipped(*why),
        };
        let who = (client.id, client.name, client.role);
        let rules = client.rules.iter();
        rules
            .map(|rule| Row::new(who, (rule.name, rule.source), judge(&visit, rule.check)))
            .collect()
    }

    /// Why a client would never be used here.
    fn refuses(&self, client: &Client) -> Option<&'static str> {
        let target = self.environment.target;
        match client.behaviour.needs {
            Needs::ClassicUrls if !target.is_classic(client.role) => {
                Some("it builds its own URLs, /APP/whip/endpoint/STREAM, and this is not one")
            }
            Needs::ClassicUrls | Needs::StreamManager
                if target.manager == Manager::None && !self.chosen.named =>
            {
                Some("no Stream Manager answers here; --client runs it anyway")
            }
            _ => None,
        }
    }

    async fn dialogue(&self, role: Role, fresh: &str) -> Vec<Row> {
        if self.environment.stop.is_cancelled() {
            return Vec::new();
        }
        let dialogue = Dialogue {
            wire: self.environment.wire,
            target: self.environment.target,
            origin: self.environment.origin,
            role,
            stream: self.environment.target.name(fresh),
        };
        dialogue.rows().await
    }
}
