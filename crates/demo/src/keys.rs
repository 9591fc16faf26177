//! Keys in the terminal: a node's number and Enter kill or revive it.

use std::{io, thread};

use tokio::sync::mpsc;

/// Lines typed ahead; more wait in the terminal.
const AHEAD: usize = 8;
/// Longest line, in bytes: nothing that is understood is longer.
const LONGEST: usize = 64;

/// The numbers typed, one a line; ends with standard input.
///
/// The thread is never waited for: a read of a terminal cannot be called off.
pub fn numbers() -> mpsc::Receiver<usize> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    thread::spawn(move || {
        while let Ok(Some(line)) = line() {
            let Ok(number) = line.trim().parse() else {
                continue;
            };
            if sender.blocking_send(number).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The next line, cut at [`LONGEST`]; `None` at the end of the input.
fn line() -> io::Result<Option<String>> {
    let (mut line, mut ended) = (Vec::new(), true);
    let mut byte = [0];
    loop {
        if read(&mut byte)? == 0 {
            break;
        }
        ended = false;
        match byte {
            [b'\n'] => break,
            [byte] if line.len() < LONGEST => line.push(byte),
            _ => {}
        }
    }
    Ok((!ended).then(|| String::from_utf8_lossy(&line).into_owned()))
}

/// Reads from standard input itself, not from a buffer that could hold what is waited for. A
/// process in the background does not read: the system would stop it.
#[cfg(unix)]
fn read(byte: &mut [u8; 1]) -> io::Result<usize> {
    use rustix::{
        event::{PollFd, PollFlags, poll},
        process::getpgrp,
        termios::{isatty, tcgetpgrp},
    };

    let stdin = io::stdin();
    loop {
        poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None)?;
        if !isatty(&stdin) || tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp()) {
            return Ok(rustix::io::read(&stdin, byte)?);
        }
        // What was typed is for the shell.
        thread::sleep(std::time::Duration::from_secs(1));
    }
}

#[cfg(not(unix))]
fn read(byte: &mut [u8; 1]) -> io::Result<usize> {
    io::Read::read(&mut io::stdin().lock(), byte)
}
