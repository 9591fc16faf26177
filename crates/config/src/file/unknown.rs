//! Messages about unknown names, with what was probably meant.

use crate::{
    keys::{Key, SECTIONS, Section, keys},
    nearest::nearest,
};

/// How many letters a slip of the fingers may change.
const SLIP: usize = 2;

/// About a key outside of every section.
pub(super) fn outside(name: &str) -> String {
    match homes(name).as_slice() {
        [] => format!("no such key; keys stand in sections: {}", section_names()),
        homes => format!(
            "stands outside of its section: write it below {}",
            homes.join(" or ")
        ),
    }
}

/// About a section.
pub(super) fn section(name: &str) -> (String, Option<&'static Section>) {
    let meant = nearest(name, SECTIONS.iter().map(|section| section.name), SLIP);
    let meant = meant.and_then(crate::keys::section);
    let what = match meant {
        Some(meant) => format!("no such section; did you mean [{}]?", meant.name),
        None => format!("no such section; there are {}", section_names()),
    };
    (what, meant)
}

/// About a key in a section that has others.
pub(super) fn key(section: &'static Section, name: &str) -> (String, Option<&'static Key>) {
    let allowed: Vec<&str> = section.keys.iter().map(|key| key.split().1).collect();
    let meant = nearest(name, allowed.iter().copied(), SLIP);
    let meant = meant.and_then(|meant| section.keys.iter().find(|key| key.split().1 == meant));
    let guess = match (meant, homes(name).as_slice()) {
        (Some(meant), _) => format!("did you mean {}? ", meant.split().1),
        (None, []) => String::new(),
        (None, homes) => format!("{name} stands in {}. ", homes.join(" and ")),
    };
    let what = format!(
        "no such key; {guess}[{}] has {}",
        section.name,
        allowed.join(", ")
    );
    (what, meant)
}

/// The sections that have a key of this name.
fn homes(name: &str) -> Vec<String> {
    let home = |key: &Key| {
        let (section, key) = key.split();
        (key == name).then(|| format!("[{section}]"))
    };
    keys().filter_map(home).collect()
}

fn section_names() -> String {
    let names: Vec<String> = SECTIONS
        .iter()
        .map(|section| format!("[{}]", section.name))
        .collect();
    names.join(", ")
}
