//! A small private network: namespaces with a bridge between them, deleted when the test ends.

use std::{
    env,
    net::Ipv4Addr,
    os::unix::fs::MetadataExt as _,
    process::{self, Command, Stdio},
};

/// The Stream Manager, in the namespace with the bridge, where the test itself is too.
pub(crate) const MANAGER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The media nodes, there as well.
pub(crate) const NODES: [Ipv4Addr; 2] =
    [Ipv4Addr::new(10, 77, 0, 11), Ipv4Addr::new(10, 77, 0, 12)];
/// Where the nodes serve.
pub(crate) const NODE_PORT: u16 = 5080;
/// The hosts of the replicas.
pub(crate) const REPLICAS: [Host; 3] = [
    Host {
        name: "a",
        address: Ipv4Addr::new(10, 77, 0, 21),
    },
    Host {
        name: "b",
        address: Ipv4Addr::new(10, 77, 0, 22),
    },
    Host {
        name: "c",
        address: Ipv4Addr::new(10, 77, 0, 23),
    },
];
/// The host of the load balancer.
pub(crate) const EDGE: Host = Host {
    name: "edge",
    address: Ipv4Addr::new(10, 77, 0, 31),
};

/// Names the network to the process that runs in it.
const LAN: &str = "WHIPSTITCH_TEST_LAN";
const HUB: &str = "hub";

/// One host of the network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    name: &'static str,
    /// Its address.
    pub(crate) address: Ipv4Addr,
}

impl Host {
    /// A program that runs on this host.
    pub(crate) fn command(&self, program: &str) -> Command {
        let lan = env::var(LAN).expect("inside the network");
        on(&format!("{lan}-{}", self.name), program)
    }
}

/// Runs `body` in a network of its own: this test calls itself there.
pub(crate) fn inside(test: &str, body: impl FnOnce()) {
    if env::var_os(LAN).is_some() {
        return body();
    }
    if !is_root() {
        println!("not run: network namespaces take root");
        return;
    }
    let lan = Lan::make();
    let itself = env::current_exe().expect("the path of this test");
    let run = on(&lan.namespace(HUB), itself.to_str().expect("UTF-8"))
        .args(["--exact", test, "--nocapture"])
        .env(LAN, &lan.name)
        .stderr(Stdio::inherit())
        .output()
        .expect("the test runs in its network");
    // Without the output of the inner test runner, which would be counted as another test.
    let output = String::from_utf8_lossy(&run.stdout);
    let is_ours = |line: &&str| {
        !line.is_empty() && !line.starts_with("test ") && !line.starts_with("running ")
    };
    output
        .lines()
        .filter(is_ours)
        .for_each(|line| println!("{line}"));
    assert!(
        run.status.success(),
        "{}; what failed stands above",
        run.status
    );
}

/// The owner of our own entry in /proc is the effective user.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

fn on(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

/// The namespaces; dropping it deletes them.
struct Lan {
    name: String,
    made: Vec<String>,
}

impl Lan {
    fn make() -> Self {
        let mut lan = Self {
            name: format!("whipstitch-{}", process::id()),
            made: Vec::new(),
        };
        let hub = lan.add(HUB);
        ip(&format!("-n {hub} link add lan type bridge"));
        ip(&format!("-n {hub} link set lan up"));
        ip(&format!("-n {hub} link set lo up"));
        for address in [MANAGER].iter().chain(&NODES) {
            ip(&format!("-n {hub} addr add {address}/24 dev lan"));
        }
        for host in REPLICAS.iter().chain([&EDGE]) {
            let space = lan.add(host.name);
            ip(&format!(
                "-n {hub} link add to-{} type veth peer name eth0 netns {space}",
                host.name
            ));
            ip(&format!("-n {hub} link set to-{} master lan up", host.name));
            ip(&format!("-n {space} addr add {}/24 dev eth0", host.address));
            ip(&format!("-n {space} link set eth0 up"));
            ip(&format!("-n {space} link set lo up"));
        }
        lan
    }

    fn add(&mut self, host: &str) -> String {
        let space = self.namespace(host);
        ip(&format!("netns add {space}"));
        self.made.push(space.clone());
        space
    }

    fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.name)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for space in &self.made {
            let _ = Command::new("ip").args(["netns", "del", space]).status();
        }
    }
}

fn ip(words: &str) {
    let output = Command::new("ip")
        .args(words.split(' '))
        .output()
        .expect("`ip` runs: it is in Debian's iproute2");
    assert!(
        output.status.success(),
        "`ip {words}` failed: {}; network namespaces need root",
        String::from_utf8_lossy(&output.stderr).trim()
    );
}
