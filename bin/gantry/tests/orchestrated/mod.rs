//! Both worlds at once, with the real docker and kubectl: an image built by one is run by the other. Tables of
//! transcripts by area; each area has a node of its own.

mod deployments;
mod jobs;
mod owners;
mod pods;
mod resizes;
mod services;
mod statics;
mod streams;
mod terminal;

use testkit::daemon::{Daemon, Kind};

use crate::docker::transcript::{Case, check};

fn on_a_node(cases: &[Case]) {
    let daemon = Daemon::start(Kind::Gantry);
    daemon.load_images();
    check(&daemon, cases);
}

macro_rules! areas {
    ($($area:ident)*) => { $(#[test] fn $area() { on_a_node($area::CASES); })* };
}

areas! { deployments jobs owners pods resizes services statics streams }
