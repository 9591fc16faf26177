//! The way from a command line to a checked [`Config`].

use std::{
    ffi::OsString,
    io::Read,
    path::{Path, PathBuf},
};

use super::{
    Config, Kind, Mistake, Mistakes, Origins, SettingSource,
    check::{self, Finding},
    compose::{Composed, compose},
    environment,
    file::{self, File},
    keys::Key,
    open_files,
};

/// Longest configuration file, in bytes: far above any real one, so that naming the wrong file
/// costs no memory.
const LONGEST_FILE: u64 = 1 << 20;

/// Where settings come from.
// No Debug: a password in a URL must not reach a log.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file that `--config` names; without it, the one that `WHIPSTITCH_CONFIG` names.
    pub file: Option<PathBuf>,
    /// The environment, e.g. `std::env::vars_os()`.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags with their dashes, each with its text; lists separated by commas.
    pub flags: Vec<(&'static str, String)>,
    /// The limit of open files, below which connections and sessions have to fit; none if unset.
    pub open_files: Option<u64>,
}

/// A configuration without mistakes.
#[derive(Debug)]
pub struct Loaded {
    /// What to start with. Names of files in it are relative to the working directory.
    pub config: Config,
    /// What is odd but no reason to stop.
    pub warnings: Vec<Mistake>,
    /// What `check` takes for a mistake, and a start accepts: a certificate that has expired.
    pub unfit: Vec<Mistake>,
    /// The file it came from, if there was one.
    pub file: Option<PathBuf>,
    /// Where each key that was set was set.
    pub origins: Origins,
}

/// Reads and checks everything.
///
/// # Errors
/// All [`Mistakes`] of all sources at once.
pub fn load(sources: &Sources) -> Result<Loaded, Mistakes> {
    let environment = environment::read(&sources.environment);
    let path = sources
        .file
        .clone()
        .or_else(|| environment.config.map(PathBuf::from));
    let name = path.as_deref().map(|path| path.display().to_string());

    let mut mistakes = environment.mistakes;
    let file = match (&path, &name) {
        (Some(path), Some(name)) => read_file(path, name),
        _ => File::default(),
    };
    mistakes.extend(file.mistakes);
    let (mut warnings, mut unfit) = (environment.warnings, Vec::new());
    warnings.extend(file.warnings);

    // Weakest first.
    let mut settings = file.settings;
    settings.extend(environment.settings);
    settings.extend(environment::flags(&sources.flags));
    let mut composed = compose(settings, file.broken);
    mistakes.append(&mut composed.mistakes);
    if let Some(folder) = path.as_deref().and_then(Path::parent) {
        anchor(&mut composed, folder);
    }

    for finding in check::findings(&composed.config) {
        if rests_on_sand(&finding, &composed, file.cut) {
            continue;
        }
        let list = if finding.unfit {
            &mut unfit
        } else if finding.warning {
            &mut warnings
        } else {
            &mut mistakes
        };
        list.push(placed(finding, &composed, name.as_deref()));
    }
    if mistakes.is_empty() {
        let open_files = sources.open_files;
        let lowered = open_files.and_then(|limit| open_files::fit(&mut composed.config, limit));
        let mut origins = Origins::of(&composed.won);
        if let Some(lowered) = lowered {
            warnings.push(Mistake::new(SettingSource::Unset, "", lowered.words));
            origins.lowered_from(lowered.from);
        }
        Ok(Loaded {
            config: composed.config,
            warnings,
            unfit,
            file: path,
            origins,
        })
    } else {
        mistakes.extend(unfit);
        Err(Mistakes::new(mistakes, warnings))
    }
}

fn read_file(path: &Path, name: &str) -> File {
    let broken = |line, what: String| File {
        mistakes: vec![Mistake::new(
            SettingSource::File {
                name: name.to_owned(),
                line,
            },
            "",
            what,
        )],
        cut: true,
        ..File::default()
    };
    match bytes_of(path) {
        Err(error) => broken(None, format!("cannot be read: {error}")),
        Ok(bytes) if bytes.len() as u64 > LONGEST_FILE => broken(
            None,
            format!("is no configuration: longer than {LONGEST_FILE} bytes"),
        ),
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => file::read(text, name),
            Err(error) => {
                let read = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = read.split(|byte| *byte == b'\n').count();
                broken(Some(line), "is not UTF-8 text".to_owned())
            }
        },
    }
}

fn bytes_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(LONGEST_FILE + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// File names in the configuration file start at its folder, so that it means the same from
/// everywhere.
fn anchor(composed: &mut Composed, folder: &Path) {
    for setting in composed.won.values() {
        if setting.key.kind != Kind::Path || !matches!(setting.place, SettingSource::File { .. }) {
            continue;
        }
        let path = match setting.key.path {
            "tls.cert" => &mut composed.config.tls.cert,
            "tls.key" => &mut composed.config.tls.key,
            "sessions.key_file" => &mut composed.config.sessions.key_file,
            "stream_manager.access_token_file" => {
                &mut composed.config.stream_manager.access_token_file
            }
            "stream_manager.user_file" => &mut composed.config.stream_manager.user_file,
            "stream_manager.password_file" => &mut composed.config.stream_manager.password_file,
            "stream_manager.ca_file" => &mut composed.config.stream_manager.ca_file,
            "auth.key_file" => &mut composed.config.auth.key_file,
            "auth.jwks_file" => &mut composed.config.auth.jwks_file,
            "ice.turn_secret_file" => &mut composed.config.ice.turn_secret_file,
            "admin.socket" => &mut composed.config.admin.socket,
            "ice.credential_file" => &mut composed.config.ice.credential_file,
            _ => continue,
        };
        // An empty name stays empty, and is refused as such.
        if let Some(path) = path.as_mut().filter(|path| !path.as_os_str().is_empty()) {
            *path = folder.join(&*path);
        }
    }
}

/// Whether a finding may be the mere consequence of a mistake already reported.
fn rests_on_sand(finding: &Finding, composed: &Composed, cut: bool) -> bool {
    finding
        .keys
        .iter()
        .any(|key| composed.broken.contains(key) || (cut && !composed.won.contains_key(key)))
}

/// A finding at the place where its key is set.
fn placed(finding: Finding, composed: &Composed, file: Option<&str>) -> Mistake {
    let key = finding.keys.first().copied().unwrap_or_default();
    let place = match (composed.won.get(key), file) {
        (Some(setting), _) => setting.place_of(finding.item).clone(),
        (None, Some(name)) => SettingSource::File {
            name: name.to_owned(),
            line: None,
        },
        (None, None) => SettingSource::Unset,
    };
    Mistake::new(place, key, finding.what)
}

/// What one key is set to in these sources, as far as that can be told: mistakes count only if the
/// file cannot be read or the key itself is wrong. Names of files are relative to the working
/// directory.
///
/// # Errors
/// What is wrong, in words.
pub fn peek(sources: &Sources, key: &Key) -> Result<Option<toml::Value>, String> {
    let environment = environment::read(&sources.environment);
    let path = sources
        .file
        .clone()
        .or_else(|| environment.config.map(PathBuf::from));
    let file = match &path {
        Some(path) => read_file(path, &path.display().to_string()),
        None => File::default(),
    };
    if let Some(mistake) = file
        .mistakes
        .first()
        .filter(|one| one.key.is_empty() && file.settings.is_empty())
    {
        return Err(mistake.to_string());
    }
    let mut settings = file.settings;
    settings.extend(environment.settings);
    settings.extend(environment::flags(&sources.flags));
    settings.retain(|setting| setting.key == key);
    let mut composed = compose(settings, Vec::new());
    if let Some(mistake) = composed.mistakes.first() {
        return Err(mistake.to_string());
    }
    if let Some(folder) = path.as_deref().and_then(Path::parent) {
        anchor(&mut composed, folder);
    }
    let (section, name) = key.split();
    let values = toml::Table::try_from(&composed.config).unwrap_or_default();
    let value = values.get(section).and_then(|section| section.get(name));
    Ok(value.cloned())
}
