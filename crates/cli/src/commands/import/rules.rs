//! What a property of a Stream Manager means here, and why most of them mean nothing.

use std::fmt;

use super::properties::Property;
use crate::commands::show::shortly;

/// Where a value came from: the file, the line and the property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    file: String,
    line: usize,
    property: &'static str,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.property, self.file, self.line)
    }
}

/// A token, which nothing prints.
pub(super) struct Token(String);

impl Token {
    /// For the file that it is written to.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What was found that means something here.
#[derive(Debug, Default)]
pub(super) struct Imported {
    /// `proxy.enabled`
    pub(super) enabled: Option<(bool, Source)>,
    /// `nodes.port`
    pub(super) node_port: Option<(u16, Source)>,
    /// The port of `stream_manager.url`
    pub(super) manager_port: Option<(u16, Source)>,
    /// The contents of `stream_manager.access_token_file`
    pub(super) token: Option<Token>,
    /// Where that stood.
    pub(super) token_source: Option<Source>,
    /// Names of other properties, with the reason; the names are fit to be printed, and no value is
    /// here.
    pub(super) left_out: Vec<(String, &'static str)>,
}

const TOKEN: &str = "rest.administratorToken";
const PLACEHOLDER: &str = "holds a placeholder that was never filled in";
const BROKEN: &str = "holds no value of its kind";

/// Beginnings of names, the most precise first, and why they are left out.
const REASONS: &[(&str, &str)] = &[
    (
        "serverapi.port",
        "serverapi.protocol is https: Whipstitch speaks plain HTTP to nodes, so nodes.port has to be their HTTP port",
    ),
    (
        "serverapi.protocol",
        "Whipstitch speaks plain HTTP to nodes",
    ),
    (
        "serverapi.",
        "the Stream Manager's own way to its nodes, which it keeps",
    ),
    (
        "streammanager.ip",
        "distinguishes several managers; it need not be an address (--stream-manager names the manager)",
    ),
    (
        "config.",
        "the Stream Manager's database, which Whipstitch does not use",
    ),
    (
        "store.",
        "the Stream Manager's database, which Whipstitch does not use",
    ),
    (
        "instancecontroller.",
        "the life of nodes, which stays with the Stream Manager",
    ),
    (
        "instanceevaluator.",
        "the choice of nodes, which stays with the Stream Manager",
    ),
    (
        "cluster.",
        "how nodes find each other, which stays with the Stream Manager",
    ),
    (
        "location.",
        "the choice of nodes, which stays with the Stream Manager",
    ),
    (
        "loadbalancer.",
        "the choice of nodes, which stays with the Stream Manager",
    ),
    ("debug.", "the Stream Manager's own log"),
    ("spring.", "the Stream Manager's own JSON"),
    ("webapp.", "the Stream Manager's own application"),
    (
        "https.port",
        "the manager's TLS, which Whipstitch stands in for",
    ),
    ("http.", "the manager's own listener"),
    ("rtmp", "media, which does not pass through Whipstitch"),
    ("rtsp", "media, which does not pass through Whipstitch"),
    ("rest.", "the Stream Manager's own access rules"),
];

/// Beginnings of the names of cloud controllers.
const CLOUDS: &[&str] = &[
    "aws.", "az.", "compute.", "terra.", "managed.", "cloud.", "do.", "linode.",
];

/// Reads all properties of all files; of two of the same name the last counts, as in Java.
pub(super) fn read(files: &[(String, Vec<Property>)]) -> Imported {
    let mut last: Vec<(&str, &Property)> = Vec::new();
    let mut number_of = std::collections::HashMap::new();
    for (file, property) in files
        .iter()
        .flat_map(|(file, all)| all.iter().map(move |one| (&**file, one)))
    {
        let number = *number_of.entry(&*property.key).or_insert(last.len());
        match last.get_mut(number) {
            Some(known) => *known = (file, property),
            None => last.push((file, property)),
        }
    }
    let tls = last.iter().any(|(_, one)| {
        one.key == "serverapi.protocol" && one.value.trim().eq_ignore_ascii_case("https")
    });
    let mut imported = Imported::default();
    for (file, property) in last {
        imported.take(file, property, tls);
    }
    imported
}

impl Imported {
    fn take(&mut self, file: &str, property: &Property, node_tls: bool) {
        let source = |property_name| Source {
            file: file.to_owned(),
            line: property.line,
            property: property_name,
        };
        let value = property.value.trim();
        let placeholder = value.starts_with('{') && value.ends_with('}');
        let port = || value.parse::<u16>().ok().filter(|port| *port != 0);
        match &*property.key {
            "proxy.enabled" | "serverapi.port" | "http.port" | TOKEN if placeholder => {
                self.leave(property, PLACEHOLDER);
            }
            "proxy.enabled" => match value.to_ascii_lowercase().as_str() {
                "true" => self.enabled = Some((true, source("proxy.enabled"))),
                "false" => self.enabled = Some((false, source("proxy.enabled"))),
                _ => self.leave(property, BROKEN),
            },
            "serverapi.port" if !node_tls => match port() {
                Some(port) => self.node_port = Some((port, source("serverapi.port"))),
                None => self.leave(property, BROKEN),
            },
            // Red5's default is the default here.
            "serverapi.protocol" if !node_tls => {}
            "http.port" => match port() {
                Some(port) => self.manager_port = Some((port, source("http.port"))),
                None => self.leave(property, BROKEN),
            },
            TOKEN => {
                if value.is_empty() {
                    self.leave(property, "is empty");
                } else if value.chars().any(|one| one.is_control() || one == ' ') {
                    self.leave(property, BROKEN);
                } else {
                    self.token = Some(Token(value.to_owned()));
                    self.token_source = Some(source(TOKEN));
                }
            }
            key => self.leave(property, reason(key)),
        }
    }

    fn leave(&mut self, property: &Property, why: &'static str) {
        let name = shortly(&property.key);
        self.left_out.push((name, why));
    }

    /// The token has nowhere to go.
    pub(super) fn leave_token(&mut self) {
        self.token = None;
        self.token_source = None;
        let why = "is never printed; --token-file or --output says where to write it";
        self.left_out.push((TOKEN.to_owned(), why));
    }

    /// What was left out, the names that share a reason together.
    pub(super) fn by_reason(&self) -> Vec<(Vec<&str>, &'static str)> {
        let mut reasons: Vec<(Vec<&str>, &'static str)> = Vec::new();
        for (name, why) in &self.left_out {
            match reasons.iter_mut().find(|(_, known)| known == why) {
                Some((names, _)) => names.push(name),
                None => reasons.push((vec![name], why)),
            }
        }
        reasons
    }
}

/// Whether a property of this name stands in files of a Stream Manager.
pub(super) fn is_of_a_manager(key: &str) -> bool {
    let starts = REASONS.iter().map(|(start, _)| start).chain(CLOUDS);
    key == "proxy.enabled" || starts.into_iter().any(|start| key.starts_with(start))
}

fn reason(key: &str) -> &'static str {
    let known = REASONS.iter().find(|(start, _)| key.starts_with(start));
    match known {
        Some((_, why)) => why,
        None if CLOUDS.iter().any(|start| key.starts_with(start)) => {
            "the cloud that nodes are made in, which stays with the Stream Manager"
        }
        None => "nothing here is known by this name",
    }
}
