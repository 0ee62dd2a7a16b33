//! The shop: six small services in one program, a subcommand each, so that six images share one layer.
//!
//! ```text
//! web ──► catalogue
//!  ├────► cart ──► catalogue
//!  └────► order ─► cart, payment          every one ──► log
//! ```
//!
//! They find each other by name and nothing else; the platform's DNS answers. It is an example of what runs on a
//! platform, so it is as plain as such a program can be: blocking calls, a thread for each request, no framework.
#![forbid(unsafe_code)]

mod cart;
mod catalogue;
mod http;
mod journal;
mod log;
mod order;
mod payment;
mod refusal;
mod seed;
mod settings;
mod web;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::{Service, server};
use journal::Journal;
use settings::Settings;

type Outcome = Result<(), Box<dyn std::error::Error>>;
type Open = fn(&Settings) -> Result<Box<dyn Service>, Box<dyn std::error::Error>>;

const SERVICES: &[(&str, Open)] = &[
    ("web", |settings| Ok(Box::new(web::Web::new(settings)))),
    ("catalogue", |settings| {
        Ok(Box::new(catalogue::Catalogue::open(&settings.data)?))
    }),
    ("cart", |settings| Ok(Box::new(cart::Carts::new(settings)))),
    ("order", |settings| Ok(Box::new(order::Orders::new(settings)?))),
    ("payment", |settings| {
        Ok(Box::new(payment::Payments::new(settings)?))
    }),
    ("log", |_| Ok(Box::<log::Log>::default())),
];

const USAGE: &str = "\
shop web|catalogue|cart|order|payment|log   serve
shop seed FILE                              give the catalogue the articles of a file
shop check                                  whether the service of this container is ready";

#[expect(clippy::print_stderr, reason = "a program says why it ends")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Outcome {
    end_on_request()?;
    let settings = Settings::read();
    match words {
        ["seed", file] => seed::run(&settings, file),
        ["check"] => Ok(server::check(&settings.listen)?),
        [name] => {
            let found = SERVICES.iter().find(|(known, _)| known == name);
            let (name, open) = found.ok_or(USAGE)?;
            let journal = Journal::open(name, (*name != "log").then_some(settings.log.clone()))?;
            Ok(server::run(&settings.listen, open(&settings)?, journal)?)
        }
        _ => Err(USAGE.into()),
    }
}

/// At once, in the middle of whatever it does: it is the platform that must send no more requests by then. Process 1
/// of a container ignores a signal that it does not handle (pid_namespaces(7)), so without this it would stay.
fn end_on_request() -> std::io::Result<()> {
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 0, Arc::new(AtomicBool::new(true)))?;
    }
    Ok(())
}
