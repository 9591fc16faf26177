//! The JSON Schema (draft 2020-12) of a configuration file, from the table of keys: what an editor
//! can complete and check. `whipstitch check` knows more: rules between keys, and files.

use serde_json::{Map, Value, json};

use super::{
    Config, Kind,
    bounds::{MOST_BYTES, most},
    keys::{Key, SECTIONS, Section},
};

/// The schema. Nothing is required in it: what a file leaves out may come from the environment or a
/// flag.
pub fn schema() -> Value {
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let sections: Map<String, Value> = SECTIONS
        .iter()
        .map(|one| (one.name.to_owned(), section(one, &defaults)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "whipstitch.toml",
        "description": "Configuration of Whipstitch, the proxy in front of a Red5 Pro Stream Manager.",
        "type": "object",
        "additionalProperties": false,
        "properties": sections,
    })
}

fn section(section: &Section, defaults: &Value) -> Value {
    let keys: Map<String, Value> = section
        .keys
        .iter()
        .map(|key| {
            let (section, name) = key.split();
            let default = defaults.get(section).and_then(|keys| keys.get(name));
            (name.to_owned(), property(key, default))
        })
        .collect();
    json!({
        "type": "object",
        "description": section.meaning,
        "additionalProperties": false,
        "properties": keys,
    })
}

fn property(key: &Key, default: Option<&Value>) -> Value {
    let item = item(key);
    let mut property = if key.kind.is_list() {
        Map::from_iter([
            ("type".to_owned(), json!("array")),
            ("items".to_owned(), Value::Object(item)),
        ])
    } else {
        item
    };
    let required = key.required.map(|when| format!("Required {when}. "));
    let flag = key.flag.map(|flag| format!("{flag}, ")).unwrap_or_default();
    let description = format!(
        "{}{} ({flag}{})",
        required.unwrap_or_default(),
        key.meaning,
        key.variable
    );
    property.insert("description".to_owned(), json!(description));
    if let Some(default) = default.filter(|default| !default.is_null()) {
        property.insert("default".to_owned(), default.clone());
    }
    let sample = key.sample.and_then(sample);
    if let Some(sample) = sample {
        property.insert("examples".to_owned(), json!([sample]));
    }
    Value::Object(property)
}

/// A sample as JSON.
fn sample(text: &str) -> Option<Value> {
    let table: toml::Table = toml::from_str(&format!("sample = {text}")).ok()?;
    serde_json::to_value(table.get("sample")?).ok()
}

/// What one value, or one item of a list, may be. Patterns refuse only what is certainly wrong.
fn item(key: &Key) -> Map<String, Value> {
    let pattern = |pattern: &str| json!({"type": "string", "pattern": pattern});
    let number = |most: i64| json!({"type": "integer", "minimum": 1, "maximum": most});
    let item = match key.kind {
        Kind::Url => pattern("^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+/?$"),
        Kind::BaseUrl => pattern("^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+(/[A-Za-z0-9._~/-]*)?$"),
        Kind::Text | Kind::Names | Kind::NodeNames => json!({"type": "string"}),
        // A number with its unit, in any of the forms that are read.
        Kind::Duration | Kind::Lifetime => pattern("[0-9].*[A-Za-zµ:]"),
        Kind::Count => number(most(key)),
        Kind::Bytes => number(MOST_BYTES),
        Kind::Port => number(65535),
        Kind::Switch => json!({"type": "boolean"}),
        Kind::Address | Kind::Addresses => {
            pattern(r"^(\[[0-9A-Fa-f:.%]+\]|[0-9]+\.[0-9.]+):[0-9]{1,5}$")
        }
        Kind::Origins => pattern(r"^(\*|null|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@*]+)$"),
        Kind::Networks => pattern("^[0-9A-Fa-f:.]+/[0-9]{1,3}$"),
        Kind::Mappings => pattern("^[0-9A-Fa-f:./ ]+=[0-9A-Fa-f:./ ]+$"),
        Kind::IceServers => pattern("^[A-Za-z]+:.+"),
        Kind::Rules => pattern(r"^\s*(publish|play)\s+\S+\s+[a-z]+\s*$"),
        Kind::Path => json!({"type": "string", "minLength": 1}),
        Kind::Location => json!({"enum": ["auto", "absolute", "path"]}),
        Kind::Bearer => json!({"enum": ["pass", "query"]}),
        Kind::Forwarding => json!({"enum": ["refuse", "nodes"]}),
        Kind::Hsts => pattern("^[A-Za-z]+.*[0-9A-Za-z]$"),
        Kind::Format => json!({"enum": ["auto", "text", "json"]}),
        Kind::Api => json!({"enum": ["1", "2"]}),
        Kind::NotLive => json!({"enum": [409, 404]}),
        Kind::Collector => pattern("^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+(/[^?#]*)?$"),
        Kind::Ratio => json!({"type": "number", "minimum": 0, "maximum": 1}),
        Kind::Parents => json!({"enum": ["forwarders", "anyone", "nobody"]}),
        Kind::ByNetwork => pattern("^(auto|off|[0-9]{1,2}/[0-9]{1,3})$"),
    };
    match item {
        Value::Object(item) => item,
        _ => Map::new(),
    }
}
