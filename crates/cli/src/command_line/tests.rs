use insta::assert_snapshot;

use super::Cli;
use crate::commands::ask;
use whipstitch_config::keys::{CONFIG_VARIABLE, keys};

fn read(line: &str) -> Result<Cli, super::Exit> {
    Cli::read(line.split_whitespace())
}

/// The flags of what is to be served; none if something else is to be done.
fn served(line: &str) -> Option<Vec<(&'static str, String)>> {
    let cli = read(line).unwrap_or_else(|exit| panic!("{}", exit.err));
    cli.to_serve().map(|settings| settings.flags())
}

#[test]
fn run_is_what_happens_without_a_command() {
    for line in [
        "whipstitch --https a",
        "whipstitch run --https a",
        "whipstitch --https a run",
    ] {
        assert_eq!(
            served(line),
            Some(vec![("--https", "a".to_owned())]),
            "{line}"
        );
    }
    assert_eq!(served("whipstitch check --https a"), None);
    assert_eq!(served("whipstitch --https a status"), None);
}

#[test]
fn flags_may_stand_on_both_sides_of_the_command() {
    let flags = served("whipstitch --https a --key k1 run --https b --key k2").unwrap();
    let expected = [("--https", "a,b".to_owned()), ("--key", "k2".to_owned())];
    assert_eq!(flags, expected);
}

#[test]
fn every_flag_is_a_key_and_every_key_with_a_flag_has_it() {
    let command = Cli::with_variables();
    let mut of_clap: Vec<String> = command
        .get_arguments()
        .filter_map(|arg| Some(format!("--{}", arg.get_long()?)))
        .collect();
    of_clap.retain(|flag| flag != "--config");
    let mut of_table: Vec<&str> = keys().filter_map(|key| key.flag).collect();
    of_clap.sort();
    of_table.sort_unstable();
    assert_eq!(of_clap, of_table);
}

#[test]
fn every_flag_reaches_the_settings_and_names_its_variable() {
    for flag in keys().filter_map(|key| key.flag) {
        let cli = read(&format!("whipstitch run {flag} text"))
            .unwrap_or_else(|exit| panic!("{}", exit.err));
        let flags = cli.to_serve().unwrap().flags();
        assert_eq!(flags, [(flag, "text".to_owned())]);
    }
    let help = read("whipstitch --help")
        .err()
        .unwrap()
        .out
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for variable in keys()
        .filter(|key| key.flag.is_some())
        .map(|key| key.variable)
        .chain([CONFIG_VARIABLE])
    {
        assert!(help.contains(&format!("[env: {variable}]")), "{variable}");
    }
}

#[test]
fn lists_may_repeat_and_hold_commas() {
    let flags = served("whipstitch run --https a,b --https c").unwrap();
    assert_eq!(flags, [("--https", "a,b,c".to_owned())]);
}

#[test]
fn what_cannot_be_understood_ends_with_64() {
    for line in [
        "whipstitch --bogus",
        "whipstitch walk",
        "whipstitch run --https",
        "whipstitch run --key a --key b",
    ] {
        let exit = read(line).err().unwrap();
        assert_eq!(
            (exit.code, exit.out.as_str()),
            (super::EX_USAGE, ""),
            "{line}"
        );
        assert!(exit.err.contains("error:"), "{}", exit.err);
    }
}

#[test]
fn behind_the_doctor_it_ends_with_2() {
    for flags in [
        "",
        "https://a --bogus",
        "https://a --timeout 0",
        "https://a --only-read",
    ] {
        let exit = read(&format!("whipstitch doctor {flags}")).err().unwrap();
        assert_eq!((exit.code, exit.out.as_str()), (2, ""), "{flags}");
    }
    assert!(read("whipstitch doctor https://a").is_ok());
}

/// Also where the command can only be guessed.
#[test]
fn behind_a_question_it_ends_with_2() {
    for name in ask::COMMANDS {
        for flags in ["--bogus", "a b c d", "--json --bogus"] {
            let exit = read(&format!("whipstitch {name} {flags}")).err().unwrap();
            assert_eq!(
                (exit.code, exit.out.as_str()),
                (ask::USAGE, ""),
                "{name} {flags}"
            );
        }
        assert!(
            Cli::with_variables().find_subcommand(name).is_some(),
            "{name}"
        );
    }
    for line in [
        "sessions --limit 0",
        "sessions --sort size",
        "drain --timeout 5s",
        "log-level --for 5m",
        "lookups forget",
    ] {
        let exit = read(&format!("whipstitch {line}")).err().unwrap();
        assert_eq!(exit.code, ask::USAGE, "{line}: {}", exit.err);
    }
}

#[test]
fn a_wrong_configuration_ends_with_78() {
    let cli = read("whipstitch run --https x").ok().unwrap();
    let exit = cli.to_serve().unwrap().load([]).err().unwrap();
    assert_eq!((exit.code, exit.out.as_str()), (crate::EX_CONFIG, ""));
    assert!(exit.err.contains("--https: \"x\" is not"), "{}", exit.err);
}

#[test]
fn the_version_is_no_error() {
    let version = format!("whipstitch {}\n", env!("CARGO_PKG_VERSION"));
    let exit = read("whipstitch -V").err().unwrap();
    assert_eq!((exit.code, &exit.out), (0, &version));
    let exit = read("whipstitch --version").err().unwrap();
    assert!(
        exit.code == 0 && exit.out.starts_with(&version),
        "{}",
        exit.out
    );
    assert!(exit.out.contains("rustc "), "{}", exit.out);
}

#[test]
fn the_command_line_holds_together() {
    Cli::with_variables().debug_assert();
}

#[test]
fn the_help() {
    let mut command = Cli::with_variables().term_width(100);
    assert_snapshot!(command.render_help(), @r"
    Reverse proxy in front of a Red5 Pro Stream Manager: TLS, WHIP, WHEP and WebSocket signalling to the
    right node

    Usage: whipstitch [OPTIONS] [COMMAND]

    Commands:
      run          Run the proxy (default)
      check        Check the configuration and list every mistake
      config       Show the schema of the configuration, or its active values
      doctor       Test a server the way OBS, FFmpeg, browsers and Red5's SDK use it
      import       Convert the configuration of a Stream Manager into one of Whipstitch
      status       Show the status of the running whipstitch
      sessions     List the active sessions, or end one
      nodes        List the nodes
      lookups      List the cached lookups, or drop them
      drain        End all sessions and accept no new ones
      reload       Reload settings, certificates, keys and the list of nodes
      log-level    Show the log level, or change it temporarily
      completions  Print a completion script for a shell
      man          Print the manual page
      version      Print the version and the facts of the build
      help         Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>           Configuration file in TOML [env: WHIPSTITCH_CONFIG]
          --stream-manager <URL>    Base URL of the Stream Manager: http or https, without a path [env:
                                    WHIPSTITCH_STREAM_MANAGER]
          --https <ADDR:PORT>       Address to serve TLS on; more of them after commas or in further
                                    flags [env: WHIPSTITCH_HTTPS]
          --cert <FILE>             PEM file with the certificate chain [env: WHIPSTITCH_CERT]
          --key <FILE>              PEM file with the certificate's private key [env: WHIPSTITCH_KEY]
          --http <ADDR:PORT>        Address to serve plain HTTP on; more as for --https [env:
                                    WHIPSTITCH_HTTP]
          --admin <ADDR:PORT>       Address of /metrics, /livez and /readyz [env: WHIPSTITCH_ADMIN]
          --node-port <PORT>        Port of every node's HTTP and WebSocket server, 5080 by default
                                    [env: WHIPSTITCH_NODE_PORT]
          --allow-nodes <CIDR,...>  Networks that hold nodes besides those that the Stream Manager names
                                    [env: WHIPSTITCH_ALLOW_NODES]
          --session-key <FILE>      File with the keys that seal session URLs, the same for all replicas
                                    [env: WHIPSTITCH_SESSION_KEY]
      -h, --help                    Print help (see more with '--help')
      -V, --version                 Print version
    ");
}
