//! Looking into JSON from a whipstitch of maybe another version: what is not there is not shown.

use serde_json::Value;

/// A JSON document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a>(pub(crate) &'a Value);

impl<'a> Look<'a> {
    /// What is at this pointer (RFC 6901), if it is there and not null.
    pub(crate) fn at(self, pointer: &str) -> Option<Look<'a>> {
        let value = self.0.pointer(pointer)?;
        (!value.is_null()).then_some(Look(value))
    }

    /// Text.
    pub(crate) fn text(self, pointer: &str) -> Option<&'a str> {
        self.at(pointer)?.0.as_str()
    }

    /// A whole number.
    pub(crate) fn number(self, pointer: &str) -> Option<i64> {
        self.at(pointer)?.0.as_i64()
    }

    /// A size or a count.
    pub(crate) fn size(self, pointer: &str) -> Option<u64> {
        self.at(pointer)?.0.as_u64()
    }

    /// Any number.
    pub(crate) fn float(self, pointer: &str) -> Option<f64> {
        self.at(pointer)?.0.as_f64()
    }

    /// The items of a list.
    pub(crate) fn items(self, pointer: &str) -> impl Iterator<Item = Look<'a>> + use<'a> {
        let items = self.at(pointer).and_then(|list| list.0.as_array());
        items.into_iter().flatten().map(Look)
    }

    /// A word, a number, or several of them with commas between; empty if there are none.
    pub(crate) fn words(self, pointer: &str) -> String {
        match self.0.pointer(pointer) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => {
                let words = items.iter().map(|item| Look(item).words(""));
                words.collect::<Vec<_>>().join(", ")
            }
            Some(other) => other.to_string(),
        }
    }

    /// A cell of a table: a dash where there is nothing.
    pub(crate) fn cell(self, pointer: &str) -> String {
        or_dash(Some(self.words(pointer)).filter(|words| !words.is_empty()))
    }
}

/// A dash in place of nothing.
pub(crate) fn or_dash(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "-".to_owned())
}
