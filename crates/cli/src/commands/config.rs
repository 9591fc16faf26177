//! `whipstitch check`, `whipstitch config schema` and `whipstitch config show`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use whipstitch_signaling::StreamKey;

use super::{Surroundings, online, show::Style};
use whipstitch_config::{Effective, Mistakes, Origin, effective, keys::SECTIONS, schema};

use crate::{
    exit::{EX_CONFIG, Exit},
    flags::{Settings, load, without_settings},
};

/// Show what can be set, and what is.
#[derive(Clone, Subcommand)]
pub enum What {
    /// Print the JSON Schema of the configuration file, for editors
    Schema,
    /// Print every value that counts, and where it came from
    Show(Box<Show>),
}

/// Print every value that counts, and where it came from.
#[derive(Clone, Args)]
pub struct Show {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Say whether the configuration is right.
#[derive(Clone, Args)]
pub struct Check {
    /// Try the Stream Manager too: name, TCP, TLS, API, one lookup, and the port of nodes
    #[arg(long)]
    online: bool,
    /// A live stream to look up, so that the port of its node is tried
    #[arg(long, value_name = "SCOPE/NAME", requires = "online", value_parser = stream_key)]
    stream: Option<StreamKey>,
    #[command(flatten)]
    settings: Settings,
}

/// The scope and the name of a stream.
fn stream_key(text: &str) -> Result<StreamKey, String> {
    let (scope, name) = text
        .rsplit_once('/')
        .ok_or("has no scope; write it in front, such as live/stream1")?;
    StreamKey::new(scope, name).map_err(|error| error.to_string())
}

/// `whipstitch check`
pub(crate) fn check(check: &Check, front: &Settings, around: &Surroundings) -> Exit {
    let settings = check.settings.behind(front);
    let sources = settings.sources_to_serve(around.environment.clone());
    let loaded = match load(&sources) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if !loaded.unfit.is_empty() {
        return Exit {
            code: EX_CONFIG,
            out: String::new(),
            err: format!("{}\n", Mistakes::new(loaded.unfit, loaded.warnings)),
        };
    }
    let summary = loaded.to_string();
    if !check.online {
        return Exit::ok(summary);
    }
    match online::perform(&loaded.config, check.stream.as_ref()) {
        Ok((report, good)) => Exit {
            code: if good { 0 } else { EX_CONFIG },
            out: summary + &report,
            err: String::new(),
        },
        Err(error) => Exit::failed(EX_CONFIG, error),
    }
}

pub(crate) fn perform(what: &What, front: &Settings, around: &Surroundings) -> Exit {
    match what {
        What::Schema => without_settings(front, || Exit::ok(json(&schema()))),
        What::Show(show) => {
            let settings = show.settings.behind(front);
            // What a process that serves would make of it, here: its limits have to fit.
            let loaded = match load(&settings.sources_to_serve(around.environment.clone())) {
                Ok(loaded) => loaded,
                Err(exit) => return exit,
            };
            let all = effective(&loaded.config, &loaded.origins);
            if show.json {
                return Exit::ok(json(&all));
            }
            let file = loaded.file.map(|file| file.display().to_string());
            Exit::ok(listing(&all, file.as_deref(), around.style))
        }
    }
}

fn json(value: &impl serde::Serialize) -> String {
    // Keys are text and there are no maps of others: this does not fail.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// A TOML file that means the same, with the origin of each value behind it.
fn listing(all: &[Effective], file: Option<&str>, style: Style) -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let gap = if text.is_empty() { "" } else { "\n" };
        let heading = style.bold(&format!("[{}]", section.name));
        let _ = writeln!(text, "{gap}{heading}");
        let of_section = all
            .iter()
            .filter(|one| one.key.split().0 == section.name)
            .map(|one| (line(one), origin(one, file)));
        let lines: Vec<_> = of_section.collect();
        let widths = lines.iter().map(|(line, _)| line.chars().count());
        let width = widths.filter(|width| *width <= 48).max().unwrap_or(0);
        for (line, origin) in lines {
            let origin = style.faint(&format!("# {origin}"));
            let _ = writeln!(text, "{line:<width$}  {origin}");
        }
    }
    text
}

fn line(one: &Effective) -> String {
    let (_, name) = one.key.split();
    match &one.value {
        Some(value) => format!("{name} = {value}"),
        None => format!("# {name}"),
    }
}

fn origin(one: &Effective, file: Option<&str>) -> String {
    let origin = match (&one.from, file) {
        (Origin::Default, _) if one.value.is_none() => "not set".to_owned(),
        (Origin::File { line: Some(line) }, Some(file)) => format!("{file}:{line}"),
        (origin, _) => origin.to_string(),
    };
    match one.lowered_from {
        None => origin,
        Some(from) => format!("{origin}; {from} is lowered to fit the limit of open files"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whipstitch_config::{Config, Origins};

    #[test]
    fn a_listing_is_a_file_that_means_the_same() {
        let mut config = Config::default();
        config.stream_manager.url = Some("http://127.0.0.1:5080".to_owned());
        config.nodes.allow = vec!["10.0.0.0/8".parse().unwrap()];
        let all = effective(&config, &Origins::default());
        let text = listing(&all, None, Style::plain());
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config, "{text}");
        assert!(
            text.contains("\n# key_file                                          # not set\n")
                || text.contains("# key_file")
        );
        assert!(!text.contains('\u{1b}'));
    }
}
