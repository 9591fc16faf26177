//! What is promised, and the tests that show it.

/// A promise, the tests that show it, and what none of them shows.
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) claim: &'static str,
    /// Names of functions; a test of ours checks that each is there.
    pub(super) tests: &'static [&'static str],
    /// Empty if the tests show the whole claim.
    pub(super) not_measured: &'static str,
}

const fn row(
    id: &'static str,
    claim: &'static str,
    tests: &'static [&'static str],
    not_measured: &'static str,
) -> Row {
    Row {
        id,
        claim,
        tests,
        not_measured,
    }
}

/// Reliability (R) and security (T).
pub(super) const ROWS: &[Row] = &[
    row(
        "R1",
        "many sessions at once, and back to the baseline",
        &["nine_thousand_nine_hundred_sessions_are_counted_paged_searched_and_sorted"],
        "9,900 WebSockets over TLS; memory and descriptors after them",
    ),
    row(
        "R2",
        "a drain sends each WebSocket a whole Close, to both sides",
        &[
            "every_socket_gets_a_close_and_every_request_its_answer",
            "on_shutdown_both_sides_get_a_close_between_frames",
            "a_close_under_way_when_the_end_comes_arrives_whole",
        ],
        "1,000 in mid-traffic, with frames of 64 B to 64 kB",
    ),
    row(
        "R3",
        "a drain ends, whatever clients do",
        &[
            "a_client_that_never_reads_does_not_delay_the_drain",
            "sides_that_do_not_answer_are_not_waited_for",
            "a_drain_does_not_wait_for_a_client_that_leaves_ending_tcp_to_the_server",
        ],
        "500 of 1,000 that do not answer",
    ),
    row(
        "R6",
        "a drain answers the streams of HTTP/2 that are in flight",
        &["every_socket_gets_a_close_and_every_request_its_answer"],
        "300 streams over 6 connections",
    ),
    row(
        "R7",
        "a node that is killed is told to its clients",
        &[
            "a_node_that_vanishes_is_told_to_the_client",
            "a_node_that_dies_after_the_lookup_costs_the_client_nothing",
        ],
        "kill -9 of a node with 500 WebSockets",
    ),
    row(
        "R8",
        "peers that vanish are found, whatever is sent to them meanwhile",
        &[
            "a_client_that_acknowledges_nothing_is_given_up_after_thirty_seconds",
            "a_client_that_answers_no_ping_is_given_up",
            "a_node_that_answers_no_ping_is_given_up",
        ],
        "a link that goes down in a network namespace, on each side",
    ),
    row(
        "R10",
        "while the Stream Manager is down, what is cached is served",
        &["cached_streams_keep_working_and_unknown_ones_fail_fast"],
        "60 s under load",
    ),
    row(
        "R11",
        "one lookup for all who ask at once; made-up names evict no live stream",
        &[
            "a_thousand_first_callers_of_whom_half_hang_up_are_one_lookup",
            "in_an_outage_every_live_stream_is_served_after_a_flood_of_made_up_names",
        ],
        "",
    ),
    row(
        "R13",
        "without descriptors the proxy waits, and its admin interface answers",
        &[
            "clients_take_only_what_fits_and_the_admin_interface_answers_new_connections",
            "without_descriptors_it_waits_and_the_admin_interface_has_some_in_reserve",
        ],
        "",
    ),
    row(
        "R14",
        "sessions beyond the limit are refused with 503",
        &["sockets_beyond_the_limit_are_refused"],
        "an answer at `connections.max`: the connection is closed or waits",
    ),
    row(
        "R15",
        "slow clients are cut",
        &[
            "silent_and_unfinished_requests_are_cut_off",
            "an_unfinished_body_is_a_client_error_and_reaches_no_node",
        ],
        "p99 of a fast client beside 1,000 slow ones",
    ),
    row(
        "R16",
        "malformed input harms no other client, and none of it reaches the cluster",
        &[
            "what_passes_is_strict_and_ours",
            "nonsense_gets_an_answer_or_a_close",
        ],
        "memory before and after",
    ),
    row(
        "R17",
        "floods of HTTP/2 end their connection",
        &["an_http2_flood_ends_its_connection_and_others_are_served"],
        "latency of others beside 50 of them",
    ),
    row(
        "R18",
        "who reads slowly holds up the sender, not memory",
        &[
            "a_reader_that_stops_holds_the_sender",
            "a_client_that_reads_nothing_is_given_up_however_much_it_sends",
        ],
        "memory of the process with 20 slow readers of 100 MB",
    ),
    row(
        "R19",
        "a panic ends one task and is counted",
        &["a_panic_in_any_task_is_counted_and_harms_nothing_else"],
        "",
    ),
    row(
        "R20",
        "a new certificate is applied, and a broken one is not",
        &[
            "a_changed_pair_is_taken_and_a_broken_one_is_not",
            "an_expired_certificate_is_replaced_whatever_names_the_new_one_has",
        ],
        "100 swaps at 200 handshakes a second",
    ),
    row(
        "R22",
        "a restart refuses and loses no connection",
        &[
            "accepted_connections_that_have_sent_nothing_are_still_served",
            "a_thousand_sessions_live_through_a_rolling_restart",
        ],
        "",
    ),
    row(
        "R24",
        "nothing leaks",
        &[
            "repeated_reloads_leak_nothing",
            "publishers_that_hang_up_at_any_moment_leave_no_session",
        ],
        "slope of memory, descriptors and tasks over a long churn",
    ),
    row(
        "R26",
        "clocks that step change no session",
        &[],
        "a step of the wall clock under load",
    ),
    row(
        "T3",
        "no open proxy, no way to scan the network",
        &[
            "no_spelling_by_a_client_reaches_anything_but_nodes",
            "refused_and_unknown_hosts_get_the_same_answer",
        ],
        "not defended: hosts that one client may try are not counted",
    ),
    row(
        "T4",
        "one request of a client is one request upstream",
        &[
            "nothing_behind_an_ambiguous_message_is_a_request",
            "framing_that_can_be_read_in_two_ways_is_refused",
            "no_body_and_no_expectation_that_a_server_may_leave_unread_is_passed_on",
            "no_field_of_http2_becomes_framing_or_a_request",
            "what_passes_is_strict_and_ours",
        ],
        "",
    ),
    row(
        "T9",
        "forwarded headers are ours",
        &[
            "forwarded_headers_of_untrusted_peers_are_ignored",
            "what_passes_is_strict_and_ours",
        ],
        "",
    ),
    row(
        "T10",
        "pages of other sites open no WebSocket",
        &[],
        "not defended: `Origin` is passed on to the node",
    ),
    row(
        "T12",
        "no stranger makes up a session URL",
        &["an_altered_token_is_a_404_and_reaches_no_node"],
        "not defended: guesses are not counted by client",
    ),
    row(
        "T13",
        "no secret is written anywhere",
        &["nothing_secret_is_in_log_metrics_or_admin_interface"],
        "the log of the other tests",
    ),
    row(
        "T15",
        "one client takes no limit for itself",
        &["silent_and_unfinished_requests_are_cut_off"],
        "not defended: limits are for all clients together",
    ),
    row(
        "T16",
        "a WebSocket that says nothing holds no place for ever",
        &["a_client_that_answers_no_ping_is_given_up"],
        "not defended: one client may hold all `limits.sockets`",
    ),
    row(
        "T17",
        "no old TLS",
        &["versions_and_protocols_are_agreed"],
        "several certificates by SNI, client certificates",
    ),
    row(
        "T18",
        "state is bounded",
        &[
            "the_table_is_bounded_and_the_closed_and_the_oldest_leave_first",
            "new_nodes_are_admitted_however_many_there_were",
            "a_storm_of_everything_adds_no_series",
        ],
        "",
    ),
    row(
        "T21",
        "a hostile node harms its own clients at most",
        &["a_node_that_does_not_switch_properly_is_never_spliced"],
        "not defended: `Set-Cookie` and other headers are passed on",
    ),
    row(
        "T24",
        "no input is a panic",
        &[
            "nonsense_gets_an_answer_or_a_close",
            "a_panic_in_any_task_is_counted_and_harms_nothing_else",
        ],
        "",
    ),
];
