//! Reading files of others, and writing files that may hold a secret.

use std::{
    fs::{File, OpenOptions, remove_file, rename},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process,
};

/// Longest file that is read, in bytes; a real one has some five thousand.
const LONGEST: u64 = 1 << 20;

/// The bytes of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(_) if bytes.len() as u64 > LONGEST => Err(format!(
            "is no red5-web.properties: longer than {LONGEST} bytes"
        )),
        Ok(_) => Ok(bytes),
    }
}

/// Makes a file with this mode; one that exists is replaced as a whole, so that no process that
/// has the old one open sees the new text, and no link is followed.
pub(super) fn write(path: &Path, text: &str, mode: u32, replace: bool) -> Result<(), String> {
    let explain = |error: io::Error| format!("{} cannot be written: {error}", path.display());
    if !replace {
        return create(path, text, mode).map_err(explain);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", process::id()));
    let new = path.with_file_name(name);
    let moved = create(&new, text, mode).and_then(|()| rename(&new, path));
    moved.map_err(|error| {
        // A partial file is useless.
        let _ = remove_file(&new);
        explain(error)
    })
}

fn create(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
