//! The docker side with the real docker client: tables of transcripts by area, on Gantry, and on Debian's
//! dockerd to prove the transcripts themselves.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]
#![allow(unreachable_pub, reason = "a module of a test binary")]

mod adoption;
mod build;
mod buildkit;
mod coexistence;
mod files;
mod golden;
mod images;
mod lifecycle;
mod networks;
mod prune;
mod registries;
mod run;
mod streams;
mod system;
pub(crate) mod terminal;
pub(crate) mod transcript;
mod volumes;

use testkit::daemon::{Daemon, Kind};
use transcript::{Case, check};

fn on(kind: Kind, cases: &[Case]) {
    let daemon = Daemon::start(kind);
    daemon.load_images();
    check(&daemon, cases);
}

/// One test for each area and daemon.
macro_rules! areas {
    (cases: $($area:ident)*; sessions: $($session:ident)*) => {
        areas! { on Gantry in gantry: $($area)*; $($session)* }
        areas! { on Dockerd in dockerd: $($area)*; $($session)* }
    };
    (on $kind:ident in $module:ident: $($area:ident)*; $($session:ident)*) => {
        mod $module {
            $(#[test] fn $area() { super::on(super::Kind::$kind, super::$area::CASES); })*
            $(#[test] fn $session() { super::terminal::$session(super::Kind::$kind); })*
            #[test] fn registries() { super::registries::registries(super::Kind::$kind); }
        }
    };
}

areas! {
    cases: build files images lifecycle networks prune run streams system volumes;
    sessions: a_shell_on_a_terminal a_shell_is_started_again detach_keys_leave_it_running without_a_terminal_ctrl_c_reaches_the_program
}
