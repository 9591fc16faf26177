//! Checks the Dockerfile: lints it, runs its build here since no engine is at hand, and checks the
//! program.
//!
//! The build runs in a folder that holds exactly what `.dockerignore` lets through, so a file that
//! the image's build would miss is missing here, too.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Bench;
use super::report::{Report, none};
use crate::{Result, command};

const FILE: &str = "docker/Dockerfile";
/// Where the image has the program, and everything that starts it there looks for it.
const PROGRAM: &str = "/usr/bin/whipstitch";
/// What distroless/cc has: glibc's libraries and the compiler's.
const LIBRARIES: [&str; 5] = ["linux-vdso", "ld-linux", "libc", "libgcc_s", "libm"];

/// Where the build's context is kept from run to run.
pub(crate) fn context(scratch: &Path) -> PathBuf {
    scratch.join("context")
}

/// Everything about the image; the program that its build made.
pub(crate) fn check(bench: &Bench, report: &mut Report) -> Option<PathBuf> {
    report.check("docker: hadolint finds nothing", || {
        let mut hadolint = bench.tools.program("hadolint");
        hadolint.arg(bench.root.join("deploy").join(FILE));
        command::output(&mut hadolint, b"")
    });
    report.check(
        "docker: what is started is what was copied, as a plain user",
        || {
            let text = bench.read(FILE)?;
            let missing = [
                format!("/src/dist/bin/whipstitch {PROGRAM}"),
                format!("ENTRYPOINT [\"{PROGRAM}\"]"),
                format!("/src/dist/bin/whipstitch-demo {PROGRAM}-demo"),
                format!("ENTRYPOINT [\"{PROGRAM}-demo\"]"),
                "USER 65532:65532".to_owned(),
            ];
            none(
                &missing
                    .into_iter()
                    .filter(|part| !text.contains(part))
                    .collect::<Vec<_>>(),
            )
        },
    );
    report.check("prometheus/adapter.yml: it is YAML", || {
        bench.tools.yaml(&bench.read("prometheus/adapter.yml")?)
    });
    let program = report.check(
        "docker: the build's RUN lines run on what .dockerignore lets through",
        || build(bench),
    )?;
    for one in [&program, &program.with_file_name("whipstitch-demo")] {
        let name = one.file_name().unwrap_or_default().display();
        report.check(
            &format!("docker: {name} needs no library that the image lacks"),
            || none(&lacking(one)?),
        );
    }
    Some(program)
}

/// The libraries of a program that the image does not have.
fn lacking(program: &Path) -> Result<Vec<String>> {
    let said = command::output(Command::new("ldd").arg(program), b"")?;
    let needed = said
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let is_there = |library: &str| {
        LIBRARIES.iter().any(|there| {
            let rest = library.strip_prefix(there);
            rest.is_some_and(|rest| rest.starts_with(['.', '-']))
        })
    };
    Ok(needed.map(name).filter(|one| !is_there(one)).collect())
}

/// Runs the RUN lines in the profile dev, with cargo's own target directory: what it compiled is
/// not compiled again.
fn build(bench: &Bench) -> Result<PathBuf> {
    let context = context(&bench.scratch);
    fill(&bench.root, &context)?;
    let text = bench.read(FILE)?;
    let steps = run_lines(&text);
    if steps.is_empty() {
        return Err("there is no RUN line".into());
    }
    for step in steps {
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &step])
            .env("PROFILE", "dev")
            .env("CARGO_TARGET_DIR", &bench.target)
            .current_dir(&context);
        command::run(&mut shell)?;
    }
    let program = context.join("dist/bin/whipstitch");
    if program.is_file() {
        return Ok(program);
    }
    Err(format!("the build made no {}", program.display()).into())
}

/// The commands of RUN lines, continued lines joined, mounts left out.
fn run_lines(dockerfile: &str) -> Vec<String> {
    let joined = dockerfile.replace("\\\n", " ");
    let runs = joined.lines().filter_map(|line| line.strip_prefix("RUN "));
    let command = |run: &str| {
        let words = run.split(' ').skip_while(|word| word.starts_with("--"));
        words.collect::<Vec<_>>().join(" ")
    };
    runs.map(command).collect()
}

/// Makes `context` hold what the image's build would get of `root`; a file that is the same keeps
/// its time, since cargo compares times.
fn fill(root: &Path, context: &Path) -> Result {
    let rules = fs::read_to_string(root.join(".dockerignore"))?;
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let listed = command::output(git.current_dir(root), b"")?;
    let wanted: BTreeSet<_> = listed
        .split('\0')
        .filter(|path| !path.is_empty() && is_sent(&rules, path) && root.join(path).is_file())
        .collect();
    for path in &wanted {
        let (from, to) = (root.join(path), context.join(path));
        let text = fs::read(&from)?;
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(to, text)?;
    }
    prune(context, context, &wanted)
}

/// Removes files that are no longer wanted.
fn prune(context: &Path, folder: &Path, wanted: &BTreeSet<&str>) -> Result {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let relative = path.strip_prefix(context)?.display().to_string();
        if path.is_dir() {
            prune(context, &path, wanted)?;
        } else if !wanted.contains(relative.as_str()) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Whether `.dockerignore` lets a file through: the last rule that fits decides. Of its patterns
/// `*` and plain paths are understood, which is all that ours uses.
fn is_sent(rules: &str, path: &str) -> bool {
    let rules = rules.lines().map(str::trim);
    let rules = rules.filter(|line| !line.is_empty() && !line.starts_with('#'));
    rules.fold(true, |sent, rule| {
        let (pattern, sends) = rule
            .strip_prefix('!')
            .map_or((rule, false), |pattern| (pattern, true));
        let pattern = pattern.trim_matches('/');
        let rest = path.strip_prefix(pattern);
        let fits =
            pattern == "*" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if fits { sends } else { sent }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_fits_decides() {
        let rules = "# all\n*\n!/crates\n!/Cargo.toml\ncrates/demo\n";
        assert!(is_sent(rules, "crates/proxy/src/lib.rs"));
        assert!(is_sent(rules, "Cargo.toml"));
        assert!(!is_sent(rules, "crates/demo/src/lib.rs"));
        assert!(!is_sent(rules, "crates-of-others/a"));
        assert!(!is_sent(rules, "README.md"));
    }

    #[test]
    fn run_lines_are_joined_and_stripped_of_mounts() {
        let text =
            "FROM a\nRUN one \\\n  two\nCOPY a b\nRUN --mount=type=cache,target=/x three --four\n";
        assert_eq!(run_lines(text), ["one    two", "three --four"]);
    }
}
