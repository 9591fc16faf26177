use std::collections::BTreeSet;

use super::{SECTIONS, keys};
use crate::Config;

#[test]
fn the_table_names_exactly_the_keys_that_serde_knows() {
    let known = serde_json::to_value(Config::default()).unwrap();
    let of_serde: BTreeSet<String> = known
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(section, keys)| {
            keys.as_object()
                .unwrap()
                .keys()
                .map(move |key| format!("{section}.{key}"))
        })
        .collect();
    let of_table: BTreeSet<String> = keys().map(|key| key.path.to_owned()).collect();
    assert_eq!(of_table, of_serde);
}

#[test]
fn every_key_stands_in_its_section_and_has_names_of_its_own() {
    let mut names = BTreeSet::new();
    for section in SECTIONS {
        for key in section.keys {
            assert_eq!(key.split().0, section.name, "{}", key.path);
            assert!(names.insert(key.variable), "{} twice", key.variable);
            assert!(
                key.flag.is_none_or(|flag| names.insert(flag)),
                "{:?} twice",
                key.flag
            );
        }
    }
}

#[test]
fn variables_follow_the_key_unless_a_flag_gives_the_shorter_name() {
    for key in keys() {
        let expected = match (key.path, key.flag) {
            ("log.filter", _) => "WHIPSTITCH_LOG".to_owned(),
            (_, Some(flag)) => format!(
                "WHIPSTITCH_{}",
                flag.trim_start_matches('-')
                    .replace('-', "_")
                    .to_uppercase()
            ),
            (path, None) => format!("WHIPSTITCH_{}", path.replace('.', "_").to_uppercase()),
        };
        assert_eq!(key.variable, expected, "{}", key.path);
    }
}

#[test]
fn samples_are_right_and_keys_without_default_have_one() {
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    for key in keys() {
        let (section, name) = key.split();
        let has_default = defaults[section]
            .get(name)
            .is_some_and(|value| value.as_array().is_none_or(|items| !items.is_empty()));
        assert_eq!(key.sample.is_none(), has_default, "{}", key.path);
        if let Some(sample) = key.sample {
            let text = format!("[{section}]\n{name} = {sample}\n");
            assert!(toml::from_str::<Config>(&text).is_ok(), "{text}");
        }
    }
}
