use insta::assert_snapshot;

use super::{Cli, Command};
use crate::config::keys::{CONFIG_VARIABLE, keys};

fn read(line: &str) -> Result<Cli, super::Exit> {
    Cli::read(line.split_whitespace())
}

fn task(line: &str) -> Command {
    read(line)
        .unwrap_or_else(|exit| panic!("{}", exit.err))
        .task()
}

#[test]
fn run_is_what_happens_without_a_command() {
    assert_eq!(task("whipstitch"), Command::Run);
    assert_eq!(task("whipstitch --config whipstitch.toml"), Command::Run);
    assert_eq!(
        task("whipstitch run --config whipstitch.toml"),
        Command::Run
    );
    assert_eq!(task("whipstitch check --https 0.0.0.0:443"), Command::Check);
    assert_eq!(task("whipstitch --https 0.0.0.0:443 check"), Command::Check);
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
        assert_eq!(cli.settings.flags(), [(flag, "text".to_owned())]);
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
    let cli =
        read("whipstitch run --https a,b --https c").unwrap_or_else(|exit| panic!("{}", exit.err));
    assert_eq!(cli.settings.flags(), [("--https", "a,b,c".to_owned())]);
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
fn a_wrong_configuration_ends_with_78() {
    let exit = read("whipstitch run --https x")
        .ok()
        .unwrap()
        .load([])
        .err()
        .unwrap();
    assert_eq!((exit.code, exit.out.as_str()), (super::EX_CONFIG, ""));
    assert!(exit.err.contains("--https: \"x\" is not"), "{}", exit.err);
}

#[test]
fn the_version_is_no_error() {
    let exit = read("whipstitch --version").err().unwrap();
    assert_eq!(
        (exit.code, exit.out),
        (0, format!("whipstitch {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn the_help() {
    let mut command = Cli::with_variables().term_width(100);
    assert_snapshot!(command.render_help(), @r"
    Reverse proxy in front of a Red5 Pro Stream Manager: TLS, WHIP, WHEP and WebSocket signalling to the
    right node

    Usage: whipstitch [OPTIONS] [COMMAND]

    Commands:
      run    Serve; this is what happens without a command too
      check  Say whether the configuration is right, with every mistake in it, and serve nothing
      help   Print this message or the help of the given subcommand(s)

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
