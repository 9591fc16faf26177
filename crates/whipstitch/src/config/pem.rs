//! A first look at files that the configuration names, so that `whipstitch check` finds what would fail at start.
//! No message repeats what a file holds.

use std::{fs::File, io::Read, path::Path};

use whipstitch_signaling::session::SessionKeys;

/// Longest file that is looked at, in bytes; a chain of certificates takes a few thousand.
const LONGEST: u64 = 1 << 20;

/// What a PEM file has to hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Block {
    /// At least one certificate.
    Certificate,
    /// A private key without passphrase.
    PrivateKey,
}

impl Block {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::PrivateKey => "private key",
        }
    }

    fn is_in(self, text: &str) -> bool {
        let label = match self {
            Self::Certificate => "CERTIFICATE-----",
            Self::PrivateKey => "PRIVATE KEY-----",
        };
        text.lines()
            .any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(label))
    }
}

/// Whether a file can be read and holds the block; else what is wrong.
pub(super) fn check(path: &Path, block: Block) -> Result<(), String> {
    let text = readable(path)?;
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
    {
        return Err(format!(
            "{} holds a key with a passphrase; take the passphrase away",
            path.display()
        ));
    }
    if block.is_in(&text) {
        return Ok(());
    }
    let other = match block {
        Block::Certificate => Block::PrivateKey,
        Block::PrivateKey => Block::Certificate,
    };
    let holds = if other.is_in(&text) {
        format!(", but a {}", other.name())
    } else {
        String::new()
    };
    Err(format!(
        "{} holds no {} in PEM form{holds}",
        path.display(),
        block.name()
    ))
}

/// Whether this is a file's name, and not what should stand in the file.
pub(super) fn is_a_name(path: &Path) -> Result<(), String> {
    let name = path.to_string_lossy();
    if name.is_empty() {
        return Err("is empty; it has to be the name of a file".to_owned());
    }
    if name.contains("-----BEGIN") || name.contains('\n') || SessionKeys::parse(&name).is_ok() {
        return Err("is the contents of a file; give the file's name instead".to_owned());
    }
    Ok(())
}

/// The text of a file, which must not be empty.
pub(crate) fn readable(path: &Path) -> Result<String, String> {
    is_a_name(path)?;
    let name = path.to_string_lossy();
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(format!("{name} cannot be read: {error}")),
        Ok(0) => Err(format!("{name} is empty")),
        Ok(_) if bytes.len() as u64 > LONGEST => {
            Err(format!("{name} is longer than {LONGEST} bytes"))
        }
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}
