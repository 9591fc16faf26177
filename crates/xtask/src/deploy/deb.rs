//! The Debian package: made by dpkg-deb alone, so that nothing has to be installed to make one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Bench;
use super::report::{Report, none};
use crate::command::{self, cargo};
use crate::{Result, debian, dist};

/// What the package holds: from the workspace, to the system, with its mode.
const CONTENTS: [(&str, &str, u32); 9] = [
    (
        "deploy/systemd/whipstitch.service",
        "usr/lib/systemd/system/whipstitch.service",
        0o644,
    ),
    (
        "deploy/systemd/whipstitch.socket",
        "usr/lib/systemd/system/whipstitch.socket",
        0o644,
    ),
    (
        "deploy/systemd/socket.conf",
        "usr/lib/whipstitch/socket.conf",
        0o644,
    ),
    (
        "deploy/systemd/sysusers.conf",
        "usr/lib/sysusers.d/whipstitch.conf",
        0o644,
    ),
    (
        "deploy/systemd/whipstitch.toml",
        "etc/whipstitch/whipstitch.toml",
        0o644,
    ),
    (
        "deploy/whipstitch.toml",
        "usr/share/doc/whipstitch/whipstitch.toml",
        0o644,
    ),
    (
        "deploy/debian/copyright",
        "usr/share/doc/whipstitch/copyright",
        0o644,
    ),
    (
        "CHANGELOG.md",
        "usr/share/doc/whipstitch/CHANGELOG.md",
        0o644,
    ),
    ("LICENSE", "usr/share/doc/whipstitch/LICENSE", 0o644),
];
/// Pages of `deploy/` that the package holds in its folder of documentation.
const PAGES: [&str; 14] = [
    "README.md",
    "SECURITY.md",
    "clients.md",
    "hosts.md",
    "on-call.md",
    "replicas.md",
    "settings.md",
    "sizing.md",
    "reference/admin-api.md",
    "reference/commands.md",
    "reference/configuration.md",
    "reference/log.md",
    "reference/metrics.md",
    "reference/problems.md",
];
const DOCUMENTATION: &str = "usr/share/doc/whipstitch";
const PROGRAM: &str = "usr/bin/whipstitch";
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// `cargo xtask deb`: compiles the program for release, packs it, and says where the package is.
///
/// # Errors
/// It does not compile, or dpkg-deb is not there.
pub(crate) fn run() -> Result {
    debian::ensure(&[debian::Need {
        program: "dpkg-shlibdeps",
        package: "dpkg-dev",
    }])?;
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    command::run(&mut cargo([
        "build",
        "--release",
        "--locked",
        "--package",
        "whipstitch",
    ]))?;
    let target = metadata.target_directory.into_std_path_buf();
    let root = metadata.workspace_root.into_std_path_buf();
    let folder = target.join("debian");
    fs::create_dir_all(&folder)?;
    let program = target.join("release/whipstitch");
    let documents = dist::documents(&program, &folder)?;
    let package = build(&root, &program, &folder, "xz", &documents, None)?;
    println!("{}", package.display());
    Ok(())
}

/// Builds a package around `program`, and looks into it.
pub(super) fn check(bench: &Bench, program: &Path, report: &mut Report) -> Option<PathBuf> {
    let folder = bench.scratch.join("debian");
    let package = report.check("debian: the package is built", || {
        fs::create_dir_all(&folder)?;
        build(&bench.root, program, &folder, "none", &[], None)
    })?;
    let dpkg = |arguments: &[&str]| {
        let mut dpkg = Command::new("dpkg-deb");
        dpkg.args(arguments).arg(&package);
        command::output(&mut dpkg, b"")
    };
    report.check(
        "debian: it holds what it should, root's, and nothing that others may write",
        || contents(&dpkg(&["--contents"])?),
    );
    report.check("debian: its settings are kept on an upgrade", || {
        let conffiles = dpkg(&["--info"])?;
        none(&Vec::from_iter(
            (!conffiles.contains("conffiles")).then(|| conffiles.clone()),
        ))
    });
    report.check(
        "debian: dpkg unpacks it into an empty system, where it runs",
        || install(bench, &package),
    );
    for script in SCRIPTS {
        report.check(
            &format!("debian/{script}: the shell understands it"),
            || {
                let file = bench.root.join("deploy/debian").join(script);
                command::output(Command::new("sh").arg("-n").arg(file), b"")
            },
        );
    }
    Some(package)
}

/// The package, in `folder`, with `more` files at these places of the system, and all of them from
/// `epoch` if there is one.
///
/// # Errors
/// A file is not there, or dpkg-deb fails.
pub(crate) fn build(
    root: &Path,
    program: &Path,
    folder: &Path,
    compression: &str,
    more: &[(PathBuf, String)],
    epoch: Option<u64>,
) -> Result<PathBuf> {
    let tree = folder.join("whipstitch");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    for (from, to, mode) in CONTENTS {
        place(&root.join(from), &tree.join(to), mode)?;
    }
    for page in PAGES {
        let to = tree.join(DOCUMENTATION).join(page);
        place(&root.join("deploy").join(page), &to, 0o644)?;
    }
    for (from, to) in more {
        place(from, &tree.join(to), 0o644)?;
    }
    place(program, &tree.join(PROGRAM), 0o755)?;
    for script in SCRIPTS {
        place(
            &root.join("deploy/debian").join(script),
            &tree.join("DEBIAN").join(script),
            0o755,
        )?;
    }
    place(
        &root.join("deploy/debian/conffiles"),
        &tree.join("DEBIAN/conffiles"),
        0o644,
    )?;
    let control = fs::read_to_string(root.join("deploy/debian/control"))?;
    let control = control
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace(
            "@ARCHITECTURE@",
            said(Command::new("dpkg").arg("--print-architecture"))?.trim(),
        )
        .replace("@DEPENDS@", &depends(program, folder)?)
        .replace(
            "@INSTALLED_SIZE@",
            &(fs::metadata(program)?.len() / 1024).to_string(),
        );
    fs::write(tree.join("DEBIAN/control"), control)?;
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.args(["--root-owner-group", "-Z", compression, "--build"])
        .arg(&tree)
        .arg(folder);
    if let Some(epoch) = epoch {
        // Times later than this are written as this.
        dpkg.env("SOURCE_DATE_EPOCH", epoch.to_string());
    }
    let said = command::output(&mut dpkg, b"")?;
    // "dpkg-deb: building package 'whipstitch' in 'PATH'."
    let path = said.rsplit('\'').nth(1).ok_or_else(|| said.clone())?;
    Ok(PathBuf::from(path))
}

fn place(from: &Path, to: &Path, mode: u32) -> Result {
    for folder in to
        .ancestors()
        .skip(1)
        .take_while(|folder| !folder.exists())
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        fs::create_dir(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    fs::copy(from, to).map_err(|error| format!("{}: {error}", from.display()))?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(mode))?)
}

/// The packages whose libraries the program needs, with their least versions, by the tool that
/// Debian's own packages use.
fn depends(program: &Path, folder: &Path) -> Result<String> {
    // It insists on a source package around it.
    fs::create_dir_all(folder.join("debian"))?;
    let source = "Source: whipstitch\n\nPackage: whipstitch\nArchitecture: any\n";
    fs::write(folder.join("debian/control"), source)?;
    let mut shlibdeps = Command::new("dpkg-shlibdeps");
    shlibdeps.arg("-O").arg(program).current_dir(folder);
    let said = said(&mut shlibdeps)?;
    let depends = said
        .lines()
        .find_map(|line| line.strip_prefix("shlibs:Depends="));
    Ok(depends.ok_or_else(|| said.clone())?.to_owned())
}

fn said(command: &mut Command) -> Result<String> {
    command::output(command, b"")
}

/// Judges `dpkg-deb --contents`: mode, owner/group, size, date, time, name.
fn contents(listed: &str) -> Result {
    let mut wrong = Vec::new();
    for line in listed.lines() {
        let mut cells = line.split_whitespace();
        let (mode, owner) = (cells.next().unwrap_or_default(), cells.next());
        if owner != Some("root/root") || mode.get(5..6) == Some("w") || mode.get(8..9) == Some("w")
        {
            wrong.push(line.to_owned());
        }
    }
    let absent = wanted().into_iter().filter(|path| {
        !listed
            .lines()
            .any(|line| line.ends_with(&format!(" ./{path}")))
    });
    wrong.extend(absent.map(|path| format!("{path} is not there")));
    none(&wrong)
}

/// Every file that the package holds, besides generated ones.
fn wanted() -> Vec<String> {
    let placed = CONTENTS.iter().map(|(_, to, _)| (*to).to_owned());
    let pages = PAGES.iter().map(|page| format!("{DOCUMENTATION}/{page}"));
    placed.chain(pages).chain([PROGRAM.to_owned()]).collect()
}

/// Into a root of its own, without what it depends on and without its scripts, which would speak to
/// this system.
fn install(bench: &Bench, package: &Path) -> Result {
    let root = bench.scratch.join("system");
    let state = root.join("var/lib/dpkg");
    for folder in ["info", "updates", "triggers"] {
        fs::create_dir_all(state.join(folder))?;
    }
    fs::write(state.join("status"), "")?;
    fs::write(state.join("available"), "")?;
    let dpkg = |arguments: &[&str]| {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", root.display()))
            .args(["--force-depends", "--force-not-root", "--log=/dev/null"])
            .args(arguments);
        command::output(&mut dpkg, b"")
    };
    dpkg(&["--unpack", &package.display().to_string()])?;
    let installed = root.join(PROGRAM);
    let version = said(Command::new(&installed).arg("--version"))?;
    if !version.contains(env!("CARGO_PKG_VERSION")) {
        return Err(format!("it says it is {version}").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_write_is_found() {
        let line =
            |mode: &str, name: &str| format!("{mode} root/root 7 2026-01-01 00:00 ./{name}\n");
        let others = wanted().into_iter().filter(|path| path != PROGRAM);
        let mut listed: String = others.map(|path| line("-rw-r--r--", &path)).collect();
        assert!(contents(&listed).is_err(), "the program is not there");
        listed += &line("-rwxr-xr-x", PROGRAM);
        contents(&listed).unwrap();
        assert!(contents(&(listed.clone() + &line("-rw-rw-r--", "etc/a"))).is_err());
        assert!(contents(&(listed + "-rw-r--r-- me/me 1 2026-01-01 00:00 ./a\n")).is_err());
    }
}
