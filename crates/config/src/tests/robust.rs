use proptest::prelude::*;

use super::Case;
use crate::keys::keys;

/// Text that looks enough like a configuration to get past the syntax.
fn almost_toml() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        prop::sample::select(keys().map(|key| key.path.to_owned()).collect::<Vec<_>>()),
        prop::sample::select(
            keys()
                .map(|key| key.split().1.to_owned())
                .collect::<Vec<_>>()
        ),
        "[a-z_.]{0,8}",
    ];
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| format!("{text:?}")),
        any::<String>().prop_map(|text| format!("[{text:?}, 1, {{}}]")),
        "[0-9a-f:./]{0,20}".prop_map(|text| format!("'{text}'")),
        "(http|https|x)://[a-z@:0-9/?#\\[\\]]{0,12}".prop_map(|text| format!("\"{text}\"")),
        "[0-9]{1,30}(ns|s|m|h|d|w|y)".prop_map(|text| format!("\"{text}\"")),
        Just(String::new()),
        "[\\[\\]{}\"'=,# a1]{0,8}",
    ];
    let line = prop_oneof![
        8 => (name, value).prop_map(|(name, value)| format!("{name} = {value}")),
        1 => "\\[\\[?[a-z_]{0,14}\\]?\\]?",
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

/// A mistake is one line, and a refusal names at least one.
fn is_told_in_lines(case: &Case<'_>) -> Result<(), TestCaseError> {
    if let Err(mistakes) = case.load() {
        prop_assert!(!mistakes.mistakes.is_empty());
        for mistake in &mistakes.mistakes {
            let text = mistake.to_string();
            prop_assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        is_told_in_lines(&Case::file(&text))?;
    }

    #[test]
    fn nothing_like_toml_makes_it_panic(text in almost_toml()) {
        is_told_in_lines(&Case::file(&text))?;
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("whipstitch.toml");
        std::fs::write(&path, bytes)?;
        let sources = super::Sources { file: Some(path), ..Default::default() };
        prop_assert!(super::load(&sources).is_err());
    }

    #[test]
    fn no_flag_or_variable_makes_it_panic(texts in prop::collection::vec("\\PC{0,30}", 5)) {
        let flags = ["--stream-manager", "--https", "--node-port", "--allow-nodes"];
        let flags: Vec<_> = flags.into_iter().zip(texts.iter().map(String::as_str)).collect();
        let environment = [("WHIPSTITCH_SESSIONS_LIFETIME", texts[4].as_str()), ("WHIPSTITCH_LOG", texts[0].as_str())];
        is_told_in_lines(&Case { file: None, environment: &environment, flags: &flags })?;
    }
}
