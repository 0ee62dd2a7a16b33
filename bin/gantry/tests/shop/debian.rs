//! The shop in Python, upon Debian's packages and Python's: the steps of its build reach the package registries through
//! the containers' way out, so this node is in the network namespace of the tests and not in one of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use testkit::daemon::{Daemon, Kind, Namespace, all};

/// What `cargo xtask test` makes before the tests, and `cargo xtask base-images` for a person.
pub(crate) fn base() -> String {
    let place = PathBuf::from(env!("GANTRY_BASE_IMAGES"));
    let archive = place.join("bookworm-1.tar");
    assert!(
        archive.exists(),
        "`cargo xtask base-images` makes {}",
        archive.display()
    );
    archive.display().to_string()
}

fn shop() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop"))
}

#[track_caller]
fn ok(what: &str, command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{what}: {}", all(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Debian's docker-compose on the shop's file and the variant's.
#[track_caller]
fn compose(daemon: &Daemon, port: u16, words: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.args(["300", "docker-compose", "--project-name", &daemon.name]);
    command
        .args(["--file", "compose.yaml", "--file", "debian/compose.yaml"])
        .args(words);
    command
        .env("DOCKER_HOST", daemon.host())
        .env("SHOP_PORT", port.to_string())
        .env("DOCKER_BUILDKIT", "0");
    ok("docker-compose", command.current_dir(shop()))
}

#[track_caller]
fn kubectl(daemon: &Daemon, words: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.args(["120", "kubectl"]).args(words).current_dir(shop());
    ok(
        "kubectl",
        command.env("KUBECONFIG", daemon.directory.join("data/kubeconfig")),
    )
}

/// A visitor, whose cookies are in the node's directory.
struct Visitor<'a> {
    daemon: &'a Daemon,
    page: String,
}

impl Visitor<'_> {
    #[track_caller]
    fn ask(&self, path: &str, form: &[&str]) -> String {
        let mut command = Command::new("curl");
        let jar = self.daemon.directory.join("cookies");
        command.args([
            "--silent",
            "--show-error",
            "--fail",
            "--location",
            "--noproxy",
            "*",
            "--max-time",
            "20",
        ]);
        command.args(["--retry", "60", "--retry-all-errors", "--retry-delay", "1"]);
        command.arg("--cookie").arg(&jar).arg("--cookie-jar").arg(&jar);
        for field in form {
            command.args(["--data", field]);
        }
        ok(path, command.arg(format!("{}{path}", self.page)))
    }

    #[track_caller]
    fn buys_a_mug(&self) {
        let page = self.ask("/", &[]);
        assert!(page.contains("<h1>The shop at the port</h1>"), "{page}");
        self.ask("/cart", &["article=mug"]);
        let page = self.ask("/", &[]);
        assert!(page.contains("<li>1 Mug with a crane 7.50 EUR"), "{page}");
        let page = self.ask("/order", &["order="]);
        assert!(page.contains("7.50 EUR, is paid."), "{page}");
    }
}

/// A port that nobody has now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn is_built_from_packages_and_runs_under_compose_and_kubernetes() {
    let daemon = Daemon::start_in(Kind::Gantry, Arc::new(Namespace::here()));
    daemon.ok(&["import", &base(), "shop-base:debian"]);
    let port = free_port();

    compose(&daemon, port, &["build"]);
    compose(&daemon, port, &["up", "-d"]);
    daemon.ok(&["wait", &format!("{}_seed_1", daemon.name)]);
    let visitor = Visitor {
        daemon: &daemon,
        page: format!("http://127.0.0.1:{port}"),
    };
    visitor.buys_a_mug();
    // The web front end reports after it has answered.
    let reported = || compose(&daemon, port, &["logs", "log"]).contains("web POST /order 200");
    assert!(
        (0..100).any(|_| reported()),
        "{}",
        compose(&daemon, port, &["logs", "log"])
    );
    compose(&daemon, port, &["down", "--volumes"]);
    assert_eq!(daemon.ok(&["ps", "--all", "--quiet"]), "", "down leaves nothing");

    kubectl(&daemon, &["apply", "--filename", "kubernetes"]);
    kubectl(
        &daemon,
        &["wait", "--for=condition=complete", "--timeout=100s", "job/seed"],
    );
    kubectl(&daemon, &["rollout", "status", "deployment/web"]);
    kubectl(&daemon, &["rollout", "status", "deployment/order"]);
    let port = kubectl(
        &daemon,
        &[
            "get",
            "service",
            "web",
            "--output=jsonpath={.spec.ports[0].nodePort}",
        ],
    );
    Visitor {
        daemon: &daemon,
        page: format!("http://127.0.0.1:{port}"),
    }
    .buys_a_mug();
}
