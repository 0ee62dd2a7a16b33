//! The supervisor as a process of its own: SOCKET [DAEMON-PROGRAM ARGUMENT...] [--resume-fd N].
//! Its id is in SOCKET.pid once it listens.

use std::ffi::OsString;
use supervisor::{Config, DaemonCommand, RESUME_OPTION};

fn main() -> Result<(), supervisor::Error> {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let option = arguments.iter().position(|argument| *argument == *RESUME_OPTION);
    let resume = option.and_then(|at| arguments.split_off(at).get(1)?.to_str()?.parse().ok());
    let daemon = DaemonCommand {
        arguments: arguments[1..].to_vec(),
        environment: vec!["PATH=/usr/bin:/bin".into()],
    };
    let mut pid_file = arguments[0].clone();
    pid_file.push(".pid");
    supervisor::main(Config {
        socket: arguments[0].clone().into(),
        pid_file: Some(pid_file.into()),
        daemon: (arguments.len() > 1).then_some(daemon),
        daemon_pid: None,
        arguments,
        resume,
    })
}
