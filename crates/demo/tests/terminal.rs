//! The command itself: its keys, and what it says.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "to panic is to fail the test"
)]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

/// Ended with the test, however that ends.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(flags: &[&str]) -> Demo {
    let child = Command::new(env!("CARGO_BIN_EXE_whipstitch-demo"))
        .args(["--https", "0", "--http", "0", "--admin", "0"])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    Demo(child.expect("the command starts"))
}

#[test]
fn a_number_and_enter_kill_and_revive_a_node() {
    let mut demo = start(&["--manager", "0", "--node-port", "0"]);
    let mut keys = demo.0.stdin.take().expect("its input");
    let mut lines = BufReader::new(demo.0.stdout.take().expect("its output")).lines();
    let mut until = |words: &str| {
        let found = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(words)));
        assert!(found.is_some(), "it ends without {words:?}");
    };
    until("the proxy's status page");
    until("kills node 1");
    until("Ctrl-C");
    for words in [
        "Node 1 (127.0.0.2) is dead",
        "Node 1 (127.0.0.2) runs again",
    ] {
        keys.write_all(b"what?\n1\n").expect("it is typed");
        until(words);
    }
    keys.write_all(b"7\n").expect("it is typed");
    until("There is no node 7");
    drop(keys);
}

#[test]
fn a_manager_that_is_not_there_ends_the_command_with_words() {
    // Port 9 is the discard service, which no machine runs by default.
    let demo = start(&["--stream-manager", "http://127.0.0.1:9"]);
    let mut words = String::new();
    let mut demo = demo;
    let stderr = demo.0.stderr.take().expect("its errors");
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        words.push_str(&line);
    }
    assert!(words.contains("http://127.0.0.1:9"), "{words}");
    assert!(words.contains("connection refused"), "{words}");
    assert!(!demo.0.wait().expect("it ends").success());
}
