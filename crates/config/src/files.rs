//! A first look at files that the configuration names, so that `whipstitch check` finds what would
//! fail at start. No message repeats what a file holds.

use std::{fs::File, io::Read, path::Path};

use whipstitch_ingress::pem_labels;
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

    fn is_in(self, labels: &[String]) -> bool {
        labels.iter().any(|label| match self {
            Self::Certificate => label.ends_with("CERTIFICATE"),
            Self::PrivateKey => label.ends_with("PRIVATE KEY"),
        })
    }
}

/// Whether a file can be read and holds the block; else what is wrong.
pub(super) fn check(path: &Path, block: Block) -> Result<(), String> {
    let name = path.display();
    let bytes = bytes(path)?;
    let labels = pem_labels(&bytes).map_err(|error| format!("{name} {error}"))?;
    if labels.iter().any(|label| label == "ENCRYPTED PRIVATE KEY") {
        return Err(format!(
            "{name} holds a key with a passphrase; take the passphrase away"
        ));
    }
    if block.is_in(&labels) {
        return Ok(());
    }
    let other = match block {
        Block::Certificate => Block::PrivateKey,
        Block::PrivateKey => Block::Certificate,
    };
    let holds = if other.is_in(&labels) {
        format!(", but a {}", other.name())
    } else {
        labels
            .first()
            .map_or_else(String::new, |label| format!(", but {label}"))
    };
    Err(format!(
        "{name} holds no {} in PEM form{holds}",
        block.name()
    ))
}

/// Whether a file speaks of a private key, whole or not.
pub(super) fn is_secret(path: &Path) -> bool {
    bytes(path).is_ok_and(|bytes| {
        let text = String::from_utf8_lossy(&bytes).to_ascii_uppercase();
        text.contains("PRIVATE KEY")
    })
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

/// The text of a file, without the byte order mark that some editors write.
///
/// # Errors
/// In words: the file cannot be read, is empty, too long, or not UTF-8.
pub fn readable(path: &Path) -> Result<String, String> {
    let bytes = bytes(path)?;
    if matches!(&*bytes, [0xfe, 0xff, ..] | [0xff, 0xfe, ..]) {
        let name = path.display();
        return Err(format!("{name} is UTF-16 text; save it as ASCII or UTF-8"));
    }
    let Ok(text) = String::from_utf8(bytes) else {
        let name = path.display();
        return Err(format!(
            "{name} is not UTF-8 text; save it as ASCII or UTF-8"
        ));
    };
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
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
        Ok(_) => Ok(bytes),
    }
}
