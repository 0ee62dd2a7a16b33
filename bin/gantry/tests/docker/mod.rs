//! The docker side with the real docker client: tables of transcripts by area, on Gantry, and on Debian's
//! dockerd to prove the transcripts themselves.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]
#![allow(unreachable_pub, reason = "a module of a test binary")]

mod build;
mod files;
mod images;
mod lifecycle;
mod networks;
mod prune;
mod run;
mod streams;
mod system;
mod transcript;
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
    ($($area:ident)*) => {
        mod gantry {
            $(#[test] fn $area() { super::on(super::Kind::Gantry, super::$area::CASES); })*
        }
        mod dockerd {
            $(#[test] fn $area() { super::on(super::Kind::Dockerd, super::$area::CASES); })*
        }
    };
}

areas! { build files images lifecycle networks prune run streams system volumes }
