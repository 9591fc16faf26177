//! `whipstitch import red5-web.properties`: a configuration from that of an existing Stream Manager
//! (Red5 Pro documentation, "Deploy and Configure Stream Manager").

mod files;
mod page;
mod properties;
mod rules;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf, absolute},
};

use clap::Args;

use self::{
    page::{Page, Wishes},
    rules::{Imported, is_of_a_manager, read},
};
use super::show::clean;
use crate::{
    exit::{EX_USAGE, Exit},
    flags::Settings,
};

/// Write a configuration file from that of a Stream Manager.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// red5-web.properties, and others; what stands in a later one counts
    #[arg(required = true, value_name = "FILE", num_args = 1..=8)]
    files: Vec<PathBuf>,
    /// File to write; standard output without it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// File for rest.administratorToken, readable by its owner only; access-token beside --output
    /// by default
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    /// Base URL of the Stream Manager as Whipstitch will reach it; this machine by default
    #[arg(long, value_name = "URL")]
    stream_manager: Option<String>,
    /// PEM file with the certificate chain; without one, plain HTTP on loopback is written
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Address to serve TLS on
    #[arg(
        long,
        value_name = "ADDR:PORT",
        requires = "cert",
        default_value = "0.0.0.0:8443"
    )]
    https: String,
}

/// Reads, and writes what came of it.
pub(crate) fn perform(options: &Options) -> Exit {
    match options.import() {
        Ok(exit) => exit,
        Err(what) => Exit::failed(1, clean(&what)),
    }
}

impl Options {
    fn import(&self) -> Result<Exit, String> {
        let mut imported = self.read()?;
        let token_file = self.token_file();
        if let (Some(_), None) = (&imported.token, &token_file) {
            imported.leave_token();
        }
        let text = Page::new(&imported, &self.wishes(token_file.as_deref())).text();
        let token = imported.token.as_ref().zip(token_file.as_deref());
        let new: Vec<&Path> = self
            .output
            .as_deref()
            .into_iter()
            .chain(token.map(|(_, path)| path))
            .collect();
        if let Some(there) = new
            .iter()
            .find(|path| !self.force && path.symlink_metadata().is_ok())
        {
            let what = format!("{} exists; --force replaces it", there.display());
            return Ok(Exit::failed(EX_USAGE, clean(&what)));
        }
        let mut err = left_out(&imported);
        if let Some((token, path)) = token {
            files::write(path, &format!("{}\n", token.text()), 0o600, self.force)?;
            let _ = writeln!(
                err,
                "wrote {}, readable by its owner only: the user that runs whipstitch has to own it",
                path.display()
            );
        }
        let Some(output) = &self.output else {
            return Ok(Exit {
                code: 0,
                out: text,
                err,
            });
        };
        files::write(output, &text, 0o644, self.force)?;
        let _ = writeln!(err, "wrote {}", output.display());
        Ok(checked(output, err))
    }

    fn read(&self) -> Result<Imported, String> {
        let mut all = Vec::new();
        for path in &self.files {
            let name = path.display().to_string();
            let bytes = files::read(path).map_err(|what| format!("{name}: {what}"))?;
            if let Some(what) = properties::is_something_else(&bytes) {
                return Err(format!("{name}: is no properties file: it {what}"));
            }
            let found = properties::parse(&bytes).map_err(|mistake| format!("{name}:{mistake}"))?;
            let short = path
                .file_name()
                .map_or(name, |name| name.to_string_lossy().into_owned());
            all.push((clean(&short), found));
        }
        let files = all.iter().flat_map(|(_, found)| found);
        if !files.into_iter().any(|one| is_of_a_manager(&one.key)) {
            let names: Vec<&str> = all.iter().map(|(name, _)| &**name).collect();
            return Err(format!(
                "{}: no property of a Stream Manager is in there, such as rest.administratorToken or serverapi.port; \
                 the file is webapps/streammanager/WEB-INF/red5-web.properties",
                names.join(", ")
            ));
        }
        Ok(read(&all))
    }

    /// Where the token goes, which is nowhere if only standard output is written.
    fn token_file(&self) -> Option<PathBuf> {
        let beside = || Some(self.output.as_ref()?.with_file_name("access-token"));
        self.token_file.clone().or_else(beside)
    }

    fn wishes(&self, token_file: Option<&Path>) -> Wishes {
        let full = |path: &Path| absolute(path).unwrap_or_else(|_| path.to_owned());
        Wishes {
            manager: self.stream_manager.clone(),
            https: self.https.clone(),
            pair: self
                .cert
                .as_deref()
                .zip(self.key.as_deref())
                .map(|(cert, key)| (full(cert), full(key))),
            token_file: token_file.map(full),
        }
    }
}

fn left_out(imported: &Imported) -> String {
    let mut text = String::new();
    if imported.left_out.is_empty() {
        return text;
    }
    text.push_str("left out:\n");
    for (names, why) in imported.by_reason() {
        let _ = writeln!(text, "  {}: {why}", names.join(", "));
    }
    text
}

/// What `whipstitch check` says of the new file.
fn checked(output: &Path, mut err: String) -> Exit {
    let settings = Settings {
        config: Some(output.to_owned()),
        ..Settings::default()
    };
    match settings.load([]) {
        Ok(loaded) => {
            let _ = write!(err, "\n{loaded}");
            Exit {
                code: 0,
                out: String::new(),
                err,
            }
        }
        Err(exit) => Exit {
            err: err + "\n" + &exit.err,
            ..exit
        },
    }
}

#[cfg(test)]
mod tests;
