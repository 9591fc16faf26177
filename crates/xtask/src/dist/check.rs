//! Checks a release that is made of a program of the profile dev.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{BESIDE, COMPLETIONS, FAST, VERSION, make};
use crate::deploy::Bench;
use crate::deploy::report::{Report, none};
use crate::{Result, command};

/// Crates that the program certainly contains: a list without them is incomplete.
const SURELY: [&str; 3] = ["hyper", "rustls", "tokio"];

/// Makes it twice, compares, unpacks it and checks the content.
pub(crate) fn check(bench: &Bench, program: &Path, report: &mut Report) {
    report.check("dist: Dockerfile.binary runs what Dockerfile runs", || {
        let compiled = runtime(&read(bench, "Dockerfile")?)
            .replace("--from=build ", "")
            .replace("/src/dist/bin/whipstitch", "whipstitch");
        let copied = runtime(&read(bench, "Dockerfile.binary")?);
        none(&Vec::from_iter(
            (compiled != copied).then(|| format!("{compiled}\n{copied}")),
        ))
    });
    report.check("dist: hadolint finds nothing in Dockerfile.binary", || {
        let mut hadolint = bench.tools.program("hadolint");
        hadolint.arg(bench.root.join("deploy/docker/Dockerfile.binary"));
        command::output(&mut hadolint, b"")
    });
    let made = report.check("dist: it is made", || {
        // Without symbols, which are most of the file and not checked.
        let stripped = bench.scratch.join("stripped");
        let mut strip = Command::new("strip");
        command::output(strip.arg("-o").arg(&stripped).arg(program), b"")?;
        let folder = bench.scratch.join("dist");
        Ok((make(&bench.root, &folder, &stripped, FAST)?, stripped))
    });
    if let Some((files, stripped)) = made {
        contents(bench, report, &files, &stripped);
    }
}

/// What was made of the program.
fn contents(bench: &Bench, report: &mut Report, files: &[PathBuf], program: &Path) {
    report.check("dist: made again, it is the same", || {
        let again = make(&bench.root, &bench.scratch.join("again"), program, FAST)?;
        let one = fs::read_to_string(file(files, "SHA256SUMS")?)?;
        let other = fs::read_to_string(file(&again, "SHA256SUMS")?)?;
        none(&Vec::from_iter(
            (one != other).then(|| format!("{one}\n{other}")),
        ))
    });
    report.check("dist: the sums are right", || {
        let mut sums = Command::new("sha256sum");
        sums.args(["--check", "--strict", "SHA256SUMS"]);
        command::output(sums.current_dir(bench.scratch.join("dist")), b"")
    });
    report.check(
        "dist: the tar holds all that belongs to the program",
        || none(&unpacked(bench, file(files, ".tar.gz")?)?),
    );
    report.check("dist: the bill of materials has what is linked in", || {
        let bill: Value = serde_json::from_str(&fs::read_to_string(file(files, ".cdx.json")?)?)?;
        none(&missing(&bill))
    });
    report.check("dist: helm takes the chart", || {
        let mut helm = bench.tools.program("helm");
        helm.arg("template").arg(file(files, ".tgz")?);
        command::output(
            helm.args(["--set", "streamManager.url=http://manager:5080"]),
            b"",
        )
    });
    report.check(
        "dist: the Debian package has man pages and completions",
        || {
            let mut dpkg = Command::new("dpkg-deb");
            let listed = command::output(dpkg.arg("--contents").arg(file(files, ".deb")?), b"")?;
            let completions = COMPLETIONS.iter().map(|(_, to)| *to);
            let wanted = completions.chain(["usr/share/man/man1/whipstitch.1"]);
            let absent = wanted.filter(|path| !listed.contains(path));
            none(&absent.map(str::to_owned).collect::<Vec<_>>())
        },
    );
}

fn read(bench: &Bench, name: &str) -> Result<String> {
    let file = bench.root.join("deploy/docker").join(name);
    Ok(fs::read_to_string(file)?)
}

/// The last stage of a Dockerfile, without comments.
fn runtime(text: &str) -> String {
    let from = text.rfind("\nFROM ").map_or(0, |at| at + 1);
    let lines = text.get(from..).unwrap_or_default().lines();
    let lines = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The first of the files whose name ends so.
fn file<'f>(files: &'f [PathBuf], end: &str) -> Result<&'f PathBuf> {
    let mut all = files.iter();
    let found = all.find(|file| file.to_string_lossy().ends_with(end));
    found.ok_or_else(|| format!("no file ends in {end}").into())
}

fn unpacked(bench: &Bench, tar: &Path) -> Result<Vec<String>> {
    let to = bench.scratch.join("unpacked");
    fs::create_dir_all(&to)?;
    let mut unpack = Command::new("tar");
    command::output(unpack.arg("-xzf").arg(tar).arg("-C").arg(&to), b"")?;
    let [inside] = &fs::read_dir(&to)?.collect::<Result<Vec<_>, _>>()?[..] else {
        return Err("the tar holds more than one folder".into());
    };
    let inside = inside.path();
    let mut program = Command::new(inside.join("bin/whipstitch"));
    let version = command::output(program.arg("--version"), b"")?;
    let mut wrong = Vec::from_iter((!version.contains(VERSION)).then_some(version));
    let completions = COMPLETIONS
        .iter()
        .map(|(_, to)| to.trim_start_matches("usr/"));
    let wanted = ["share/man/man1/whipstitch.1", "whipstitch.cdx.json"];
    for path in wanted.into_iter().chain(completions).chain(BESIDE) {
        if fs::metadata(inside.join(path)).map_or(0, |file| file.len()) == 0 {
            wrong.push(format!("{path} is not there"));
        }
    }
    let licenses = fs::read_to_string(inside.join("LICENSES.md"))?;
    let absent = SURELY
        .iter()
        .filter(|name| !licenses.contains(&format!("| {name} | ")));
    wrong.extend(absent.map(|name| format!("LICENSES.md has no {name}")));
    Ok(wrong)
}

fn missing(bill: &Value) -> Vec<String> {
    let components = bill.get("components").and_then(Value::as_array);
    let names = components.into_iter().flatten();
    let names: Vec<_> = names.filter_map(|one| one.get("name")?.as_str()).collect();
    let absent = SURELY.iter().filter(|name| !names.contains(*name));
    absent.map(|name| format!("no {name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_is_what_runs() {
        let text = "# a\nFROM x AS build\nRUN y\n\n# b\nFROM z\n# c\nUSER 1\n";
        assert_eq!(runtime(text), "FROM z\nUSER 1\n");
        assert_eq!(runtime("# a\nFROM z\nUSER 1\n"), "FROM z\nUSER 1\n");
    }
}
