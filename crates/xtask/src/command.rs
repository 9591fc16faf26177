//! Running other programs, each printed before it starts so that a person can repeat it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use crate::Result;

/// A command for the cargo that started this process.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs `command` to its end and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result {
    announce(command);
    let status = command
        .status()
        .map_err(|error| format!("cannot start `{}`: {error}", shown(command)))?;
    succeeded(command, status)
}

/// Runs `command` quietly, with `input` on its standard input, and gives what it wrote to standard
/// output.
///
/// # Errors
/// It cannot be started or does not succeed; then with all that it wrote.
pub(crate) fn output(command: &mut Command, input: &[u8]) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start `{}`: {error}", shown(command)))?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // On its own thread: a program may write before it has read everything. One that does not
        // read at all shows that in its status.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let command = shown(command);
    Err(format!("`{command}` ended with {}\n{text}{errors}", output.status).into())
}

/// Runs `command`, hands each line of its output to `line` in the order in which it was written,
/// and gives its status.
///
/// Both streams share one pipe: cargo names a test binary on stderr and the binary reports on
/// stdout, so only the order between the two assigns a report to its binary.
pub(crate) fn run_lines(command: &mut Command, mut line: impl FnMut(&str)) -> Result<ExitStatus> {
    announce(command);
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start `{}`: {error}", shown(command)))?;
    // `command` still holds the pipe's writing ends: without this the reading below would never
    // end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut raw = Vec::new();
    while reader.read_until(b'\n', &mut raw)? > 0 {
        line(String::from_utf8_lossy(&raw).trim_end_matches(['\n', '\r']));
        raw.clear();
    }
    Ok(child.wait()?)
}

/// Where `program` is on the search path; a file with an absolute path is where it says.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        // Debian keeps servers where an ordinary user's path does not look.
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

fn succeeded(command: &Command, status: ExitStatus) -> Result {
    if status.success() {
        return Ok(());
    }
    Err(format!("`{}` ended with {status}", shown(command)).into())
}

fn announce(command: &Command) {
    println!("$ {}", shown(command));
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let settings = command.get_envs().filter_map(|(key, value)| {
        value.map(|value| format!("{}='{}'", key.display(), value.display()))
    });
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    settings
        .chain([name.display().to_string()])
        .chain(command.get_args().map(|word| word.display().to_string()))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command
            .args(["doc", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            shown(&command),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }

    #[test]
    fn both_streams_arrive_in_order() {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one >&2; echo two; echo three >&2; exit 3"]);
        let status = run_lines(&mut command, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"));
        assert!(find("no-such-program-here").is_none());
        assert!(find("sh").is_some());
    }
}
