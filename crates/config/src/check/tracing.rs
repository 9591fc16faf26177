//! Where spans are sent, and which side decides it.

use whipstitch_proxy::trace::{Parents, Ratio};

use super::{Config, Finding};
use crate::CollectorUrl;

pub(super) fn check(config: &Config, found: &mut Vec<Finding>) {
    let tracing = &config.tracing;
    let Some(url) = &tracing.otlp else {
        let unused = [
            ("tracing.sample", tracing.sample != Ratio::ALL),
            ("tracing.parents", tracing.parents != Parents::default()),
        ];
        for (key, _) in unused.into_iter().filter(|(_, is_set)| *is_set) {
            let what = "is not used: there is no collector in tracing.otlp";
            found.push(Finding::new([key, "tracing.otlp"], what).warning());
        }
        return;
    };
    if let Err(error) = CollectorUrl::parse(url) {
        found.push(Finding::new(["tracing.otlp"], error.to_string()));
    }
    if tracing.parents == Parents::Anyone {
        let what = "is \"anyone\": every client decides which traces its requests belong to, and that they are told, \
                    whatever tracing.sample says";
        found.push(Finding::new(["tracing.parents"], what).warning());
    }
}
