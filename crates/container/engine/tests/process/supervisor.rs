//! The supervisor as a process of its own, and its workers: SOCKET, or `worker ARGUMENT...`.
//! Its id is in SOCKET.pid once it listens.

use std::ffi::OsString;
use std::process::ExitCode;

use supervisor::Config;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "worker") {
        return image::worker_main(&arguments[1..]).into();
    }
    let mut pid_file = arguments[0].clone();
    pid_file.push(".pid");
    let config = Config {
        socket: arguments[0].clone().into(),
        pid_file: Some(pid_file.into()),
        daemon: None,
        daemon_pid: None,
        arguments,
        resume: None,
    };
    match supervisor::main(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
