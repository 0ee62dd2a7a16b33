//! Further processes in a container: create, start, inspect, resize.

use engine::ExecSpec;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::lifecycle::terminal_size;
use crate::Api;
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::Reply;
use crate::stream::detach::DetachKeys;
use crate::stream::frame::{Channel, Framing};
use crate::stream::hijack::{Ended, head, take_over};

/// `POST /containers/ID/exec`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ExecOptions {
    user: String,
    privileged: bool,
    tty: bool,
    console_size: Option<[u64; 2]>,
    attach_stdin: bool,
    attach_stderr: bool,
    attach_stdout: bool,
    detach_keys: String,
    env: Vec<String>,
    working_dir: String,
    #[serde(deserialize_with = "crate::wire::words")]
    cmd: Option<Vec<String>>,
}

/// `POST /exec/ID/start`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ExecStartOptions {
    detach: bool,
    tty: bool,
    console_size: Option<[u64; 2]>,
}

fn size(sides: Option<[u64; 2]>) -> Option<(u16, u16)> {
    let [height, width] = sides?;
    let side = |length: u64| u16::try_from(length).ok().filter(|length| *length > 0);
    side(height).zip(side(width))
}

/// `POST /containers/ID/exec`.
pub(crate) async fn create(call: Call<Api>) -> Result<Reply, ApiError> {
    let (api, name, since_42) = (call.state.clone(), call.name.clone(), call.version.since(42));
    let options: ExecOptions = call.json().await?;
    let args = options.cmd.unwrap_or_default();
    if args.is_empty() {
        return Err(ApiError::bad("No exec command specified"));
    }
    DetachKeys::parse(&options.detach_keys)?;
    let spec = ExecSpec {
        args,
        env: options.env,
        cwd: options.working_dir,
        user: options.user,
        tty: options.tty,
        terminal_size: size(options.console_size).filter(|_| since_42 && options.tty),
        stdin: options.attach_stdin,
        stdout: options.attach_stdout,
        stderr: options.attach_stderr,
        privileged: options.privileged,
        detach_keys: options.detach_keys,
    };
    let id = api.engine.exec_create(&name, spec).await?;
    Reply::json_with(StatusCode::CREATED, &json!({ "Id": id }))
}

/// `POST /exec/ID/start`. Once the connection has left HTTP, what goes wrong is said on the stream,
/// where a client that hijacked reads.
pub(crate) async fn start(call: Call<Api>) -> Result<Reply, ApiError> {
    let (api, id) = (call.state.clone(), call.name.clone());
    let (upgrade, since_42) = (call.wants_upgrade(), call.version.since(42));
    let options: ExecStartOptions = call.json().await?;
    let exec = api.engine.exec_inspect(&id)?;
    let asked = size(options.console_size).filter(|_| since_42 && options.tty);
    let size = asked.or(exec.spec.terminal_size);
    if options.detach {
        api.engine.exec_start(&id, true, size).await?;
        return Ok(Reply::empty(StatusCode::OK));
    }
    let keys = DetachKeys::parse(&exec.spec.detach_keys)?;
    let framing = Framing::of(options.tty);
    let head = head(upgrade, framing == Framing::Multiplexed && since_42);
    Ok(take_over(head, move |client| async move {
        match api.engine.exec_start(&id, false, size).await {
            Ok(Some(attached)) => {
                if client.join(attached, framing, keys).await == Ended::Detached {
                    api.publish_of(&exec.container, "exec_detach", [("execID", id)]);
                }
            }
            Ok(None) => {}
            Err(error) => {
                let error = ApiError::from(error);
                client.say(framing, Channel::Stdout, format!("{error}\r\n")).await;
            }
        }
    }))
}

/// `GET /exec/ID/json`.
pub(crate) async fn inspect(call: Call<Api>) -> Result<Reply, ApiError> {
    let exec = call.state.engine.exec_inspect(&call.name)?;
    let spec = &exec.spec;
    let keys = crate::stream::detach::bytes(&spec.detach_keys);
    Reply::json(&json!({
        "ID": exec.id,
        "Running": exec.running,
        "ExitCode": exec.exit_code,
        "ProcessConfig": {
            "tty": spec.tty,
            "entrypoint": spec.args.first().map_or("", String::as_str),
            "arguments": spec.args.get(1..).unwrap_or(&[]),
            "privileged": spec.privileged,
            "user": spec.user,
        },
        "OpenStdin": spec.stdin,
        "OpenStderr": spec.stderr,
        "OpenStdout": spec.stdout,
        "CanRemove": !exec.running && exec.exit_code.is_some(),
        "ContainerID": exec.container.as_str(),
        "DetachKeys": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, keys),
        "Pid": exec.pid,
    }))
}

/// `POST /exec/ID/resize`.
pub(crate) async fn resize(call: Call<Api>) -> Result<Reply, ApiError> {
    let (rows, columns) = terminal_size(&call)?;
    call.state.engine.exec_resize(&call.name, rows, columns).await?;
    Ok(Reply::empty(StatusCode::OK))
}
