//! Lists by pages: `page` and `per_page` of a query.

use serde::Serialize;
use whipstitch_signaling::query;

/// Rows of a page unless said otherwise, and the most.
const PER_PAGE: usize = 100;
const MOST_PER_PAGE: usize = 500;

/// The page that is asked for.
#[derive(Debug)]
pub(super) struct Paging {
    page: usize,
    per_page: usize,
}

/// What an answer says of its page.
#[derive(Debug, Serialize)]
pub(super) struct Extent {
    /// Rows of all pages.
    pub(super) matching: usize,
    pub(super) page: usize,
    pub(super) pages: usize,
}

impl Paging {
    pub(super) fn parse(raw: &str) -> Result<Self, String> {
        Ok(Self {
            page: number(raw, "page", 1)?,
            per_page: number(raw, "per_page", PER_PAGE)?.min(MOST_PER_PAGE),
        })
    }

    /// The rows of this page, of all that match.
    pub(super) fn cut<R>(&self, rows: Vec<R>) -> (Extent, Vec<R>) {
        let extent = Extent {
            matching: rows.len(),
            page: self.page,
            pages: rows.len().div_ceil(self.per_page).max(1),
        };
        let before = (self.page - 1).saturating_mul(self.per_page);
        let rows = rows.into_iter().skip(before).take(self.per_page);
        (extent, rows.collect())
    }
}

/// A number from 1 on.
fn number(raw: &str, key: &str, default: usize) -> Result<usize, String> {
    match query::get(raw, key) {
        None | Some("") => Ok(default),
        Some(text) => match text.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("{key} is a number from 1 on")),
        },
    }
}
