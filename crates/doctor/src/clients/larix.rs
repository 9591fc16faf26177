//! Larix Broadcaster. Its source is closed: what servers were changed for is all that is known.

use crate::{
    Role, checks,
    client::{Client, Habits},
    rule::Rule,
    transcript::Act,
};

/// Larix.
pub(crate) const LARIX: Client = Client {
    id: "larix",
    name: "Larix Broadcaster",
    role: Role::Publish,
    habits: Habits {
        agent: "Larix Broadcaster",
        ..Habits::PLAIN
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
            check: |visit| checks::success(visit, Act::Delete, "leaves a session behind"),
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::by_hand::{FAILED, GOOD, OK, table};

    #[test]
    fn its_rules() {
        table(
            &LARIX,
            &[
                ("POST gives 201", Act::Post, GOOD, OK),
                ("POST gives 201", Act::Post, "400", FAILED),
                ("DELETE is supported", Act::Delete, "200", OK),
                ("DELETE is supported", Act::Delete, "405", FAILED),
            ],
        );
    }
}
