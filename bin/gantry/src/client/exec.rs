//! `gantry exec`: another program in a running container.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::http::{Daemon, Target};
use super::run::text;
use super::session::{Ended, Session};
use super::socket::SocketOptions;
use super::{block_on, exit_with, refusal, refused, settings, terminal};
use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: the program's own; 1 if the node refuses, 126 if the program cannot be executed, 127 if there \
is none.")]
pub(crate) struct Options {
    /// Send the program our input.
    #[arg(short, long)]
    interactive: bool,
    /// Give the program a terminal.
    #[arg(short, long)]
    tty: bool,
    /// Set a variable; without a value, as it is set here.
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    env: Vec<String>,
    /// Where the program starts.
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Who the program runs as.
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    #[command(flatten)]
    socket: SocketOptions,
    /// The container's name or id, and the program with its arguments.
    // One list: whatever follows the name is the program's, also where it looks like an option of ours.
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, value_names = ["NAME", "CMD"])]
    words: Vec<String>,
}

pub(crate) fn run(options: Options) -> Outcome {
    terminal::require(options.tty, options.interactive).map_err(|message| Failure::with_code(1, message))?;
    block_on(perform(options))
}

async fn perform(options: Options) -> Outcome {
    let daemon = options.socket.clone().daemon()?;
    let id = create(&daemon, &options).await?;
    let size = terminal::console_size(options.tty);
    let start = json!({"Detach": false, "Tty": options.tty, "ConsoleSize": size});
    let target = Target::new(&["exec", &id, "start"]);
    let stream = daemon.upgrade(target, Some(&start)).await;
    let stream = stream.map_err(|error| refusal(&error))?;
    let session = Session {
        daemon: &daemon,
        of: ["exec", &id],
        tty: options.tty,
        input: options.interactive,
    };
    if options.tty {
        session.resize().await;
    }
    match session.attend(stream).await.map_err(refused)? {
        Ended::Detached => Ok(ExitCode::SUCCESS),
        Ended::Output => exit_with(exit_code(&daemon, &id).await?),
    }
}

async fn create(daemon: &Daemon, options: &Options) -> Result<String, Failure> {
    let (name, command) = options
        .words
        .split_first()
        .ok_or_else(|| Failure::usage("no NAME"))?;
    let body = json!({
        "AttachStdin": options.interactive,
        "AttachStdout": true,
        "AttachStderr": true,
        "Tty": options.tty,
        "Env": settings::environment(&options.env),
        "WorkingDir": options.workdir.as_deref().unwrap_or_default(),
        "User": options.user.as_deref().unwrap_or_default(),
        "Cmd": command,
        "ConsoleSize": terminal::console_size(options.tty),
    });
    let target = Target::new(&["containers", name, "exec"]);
    // As the docker client: before there is a program, a refusal is an ordinary failure.
    Ok(text(&daemon.post_json(target, &body).await?, "Id")?)
}

async fn exit_code(daemon: &Daemon, id: &str) -> Result<i64, Failure> {
    let state = daemon
        .get(Target::new(&["exec", id, "json"]))
        .await
        .map_err(refused)?;
    let code = state["ExitCode"].as_i64();
    code.ok_or_else(|| Failure::with_code(super::REFUSED, "the program has no exit code"))
}
