//! `cargo xtask dist`: everything that a release consists of, in `target/dist`.
//!
//! | file | what |
//! |---|---|
//! | `whipstitch-VERSION-ARCH.tar.gz` | program, man pages, completions, settings, systemd units, licences, bill of materials |
//! | `whipstitch_VERSION_ARCH.deb` | the Debian package |
//! | `whipstitch-image-VERSION-ARCH.tar.gz` | the program beside a Dockerfile that copies it and compiles nothing |
//! | `whipstitch-VERSION.tgz` | the chart, as `helm install` takes it |
//! | `whipstitch-VERSION.cdx.json` | what the program is compiled from, in `CycloneDX` |
//! | `SHA256SUMS` | of all of them |
//!
//! The same commit and the same program give the same bytes: names in order, no owner, and one time
//! for all, the commit's (`SOURCE_DATE_EPOCH` wins over it).

mod archive;
mod check;
mod materials;

pub(crate) use self::check::check;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::archive::Epoch;
use crate::command::{self, cargo};
use crate::deploy::deb;
use crate::{Result, debian};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/whipstitch"),
    ("zsh", "usr/share/zsh/vendor-completions/_whipstitch"),
    (
        "fish",
        "usr/share/fish/vendor_completions.d/whipstitch.fish",
    ),
];
/// Files of the workspace that lie beside the program in the tar.
const BESIDE: [&str; 24] = [
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "deploy/README.md",
    "deploy/SECURITY.md",
    "deploy/clients.md",
    "deploy/compose.md",
    "deploy/hosts.md",
    "deploy/kubernetes.md",
    "deploy/on-call.md",
    "deploy/reference/admin-api.md",
    "deploy/reference/commands.md",
    "deploy/reference/configuration.md",
    "deploy/reference/log.md",
    "deploy/reference/metrics.md",
    "deploy/reference/problems.md",
    "deploy/replicas.md",
    "deploy/settings.md",
    "deploy/sizing.md",
    "deploy/whipstitch.toml",
    "deploy/systemd/whipstitch.service",
    "deploy/systemd/whipstitch.socket",
    "deploy/systemd/sysusers.conf",
    "deploy/systemd/whipstitch.toml",
];
const IMAGE: &str = "deploy/docker/Dockerfile.binary";
const CHART: &str = "deploy/helm/whipstitch";

/// How much is compressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    gzip: &'static str,
    deb: &'static str,
}

/// For a release.
const SMALL: Effort = Effort {
    gzip: "-9",
    deb: "xz",
};
/// For a check.
const FAST: Effort = Effort {
    gzip: "-1",
    deb: "none",
};

/// Options of `cargo xtask dist`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Pack this program instead of compiling one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Makes a release and prints its folder.
///
/// # Errors
/// It does not compile, or one of the tools is not there.
pub(crate) fn run(options: Options) -> Result {
    debian::ensure(&[debian::Need {
        program: "dpkg-shlibdeps",
        package: "dpkg-dev",
    }])?;
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    let root = metadata.workspace_root.as_std_path();
    let target = metadata.target_directory.as_std_path();
    let program = match options.program {
        Some(program) => fs::canonicalize(program)?,
        None => compiled(target)?,
    };
    for file in make(root, &target.join("dist"), &program, SMALL)? {
        println!("{}", file.display());
    }
    Ok(())
}

/// The program of a release build.
fn compiled(target: &Path) -> Result<PathBuf> {
    let mut build = cargo(["build", "--release", "--locked", "--package", "whipstitch"]);
    command::run(&mut build)?;
    Ok(target.join("release/whipstitch"))
}

/// Makes everything in `folder`, which is emptied first; the files, checksums last.
///
/// # Errors
/// A file cannot be read or written, or a tool fails.
pub(crate) fn make(
    root: &Path,
    folder: &Path,
    program: &Path,
    effort: Effort,
) -> Result<Vec<PathBuf>> {
    let materials = &materials::here(root)?;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let work = folder.join("work");
    fs::create_dir_all(&work)?;
    let epoch = Epoch::of(root)?;
    let arch = said(Command::new("uname").arg("-m"))?;
    let bill = folder.join(format!("whipstitch-{VERSION}.cdx.json"));
    fs::write(&bill, materials::bill(materials, epoch)?)?;

    let documents = documents(program, &work)?;
    let name = format!("whipstitch-{VERSION}-{arch}");
    let tree = work.join(&name);
    copy(program, &tree.join("bin/whipstitch"))?;
    copy(&bill, &tree.join("whipstitch.cdx.json"))?;
    fs::write(tree.join("LICENSES.md"), materials::licenses(materials)?)?;
    for path in BESIDE {
        copy(&root.join(path), &tree.join(path))?;
    }
    for (from, to) in &documents {
        let to = to.strip_prefix("usr/").unwrap_or(to);
        copy(from, &tree.join(to))?;
    }
    let tar = folder.join(format!("{name}.tar.gz"));
    archive::pack(&work, &name, &tar, epoch, effort)?;

    let image = format!("whipstitch-image-{VERSION}-{arch}");
    copy(program, &work.join(&image).join("whipstitch"))?;
    copy(&root.join(IMAGE), &work.join(&image).join("Dockerfile"))?;
    let image_tar = folder.join(format!("{image}.tar.gz"));
    archive::pack(&work, &image, &image_tar, epoch, effort)?;

    let chart = folder.join(format!("whipstitch-{VERSION}.tgz"));
    archive::pack(
        &root.join(CHART).join(".."),
        "whipstitch",
        &chart,
        epoch,
        effort,
    )?;

    let package = deb::build(
        root,
        program,
        &work,
        effort.deb,
        &documents,
        Some(epoch.seconds()),
    )?;
    let deb = folder.join(package.file_name().ok_or("the package has no name")?);
    fs::rename(&package, &deb)?;
    fs::remove_dir_all(&work)?;
    let mut files = vec![tar, image_tar, chart, deb, bill];
    files.push(sums(folder, &files)?);
    Ok(files)
}

/// Man pages and completions, as the program writes them into `work`, and where a system has them.
///
/// # Errors
/// The program does not run, or a file cannot be written.
pub(crate) fn documents(program: &Path, work: &Path) -> Result<Vec<(PathBuf, String)>> {
    let pages = work.join("man");
    fs::create_dir_all(&pages)?;
    let mut man = Command::new(program);
    command::output(man.args(["man", "--output"]).arg(&pages), b"")?;
    let mut all = Vec::new();
    for entry in fs::read_dir(&pages)? {
        let page = entry?.path();
        let name = page.file_name().unwrap_or_default().display().to_string();
        all.push((page, format!("usr/share/man/man1/{name}")));
    }
    for (shell, to) in COMPLETIONS {
        let file = work.join(format!("completions.{shell}"));
        let mut completions = Command::new(program);
        fs::write(
            &file,
            command::output(completions.args(["completions", shell]), b"")?,
        )?;
        all.push((file, to.to_owned()));
    }
    all.sort_by(|one, other| one.1.cmp(&other.1));
    Ok(all)
}

/// `SHA256SUMS`, as `sha256sum --check` reads it.
fn sums(folder: &Path, files: &[PathBuf]) -> Result<PathBuf> {
    let names = files.iter().filter_map(|file| file.file_name());
    let mut sha256sum = Command::new("sha256sum");
    let list = command::output(sha256sum.args(names).current_dir(folder), b"")?;
    let file = folder.join("SHA256SUMS");
    fs::write(&file, list)?;
    Ok(file)
}

fn copy(from: &Path, to: &Path) -> Result {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::copy(from, to).map_err(|error| format!("{}: {error}", from.display()))?;
    Ok(())
}

fn said(command: &mut Command) -> Result<String> {
    Ok(command::output(command, b"")?.trim().to_owned())
}
