//! Larix Broadcaster. Its source is closed: all that is known are the changes that servers made for
//! it.

use crate::{
    Role, checks,
    client::{Behaviour, Client},
    rule::Rule,
    transcript::Step,
};

/// Larix.
pub(crate) const LARIX: Client = Client {
    id: "larix",
    name: "Larix Broadcaster",
    role: Role::Publish,
    behaviour: Behaviour {
        agent: "Larix Broadcaster",
        ..Behaviour::PLAIN
    },
    rules: &[
        Rule {
            name: "POST gives 201",
            source: "RFC 9725 §4.2; Larix is closed",
            check: |visit| checks::post(visit, &[201], "does not connect"),
        },
        Rule {
            name: "DELETE is supported",
            source: "ossrs/srs, pull request 3427, “WHIP: Support DELETE resource for Larix Broadcaster”",
            check: |visit| checks::success(visit, Step::Delete, "leaves an orphaned session"),
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{FAILED, GOOD, OK, table};

    #[test]
    fn its_rules() {
        table(
            &LARIX,
            &[
                ("POST gives 201", Step::Post, GOOD, OK),
                ("POST gives 201", Step::Post, "400", FAILED),
                ("DELETE is supported", Step::Delete, "200", OK),
                ("DELETE is supported", Step::Delete, "405", FAILED),
            ],
        );
    }
}
