//! `/run`: a command's output, without a stream.

use std::future::poll_fn;
use std::sync::Arc;

use apiserver::Body;
use http::{Response, StatusCode};
use streaming::remote::Wanted;
use streaming::{ContainerRef, Io, StreamFault};

use crate::answer;
use crate::exec::find;
use crate::server::{Call, State};

/// The most bytes of output that are kept (CRI's bound of an ExecSync).
const MOST: usize = 16 << 20;

const OUTPUTS: Io = Io {
    stdin: false,
    stdout: true,
    stderr: true,
    tty: false,
};

/// Runs `?cmd=` in a container and answers with what it wrote.
pub(crate) async fn answer(state: Arc<State>, call: Call) -> Response<Body> {
    let of = match find(&state, &call.path) {
        Ok((_, of)) => of,
        Err(refusal) => return *refusal,
    };
    // Words between single spaces, as this path always had them.
    let command: Vec<String> = call.query.get("cmd").split(' ').map(str::to_owned).collect();
    match run(&state, of, command).await {
        Ok(output) => answer::json(output),
        Err(why) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, why),
    }
}

async fn run(state: &State, of: ContainerRef, command: Vec<String>) -> Result<Vec<u8>, String> {
    let missing = Wanted::Exec(Vec::new()).missing(&of);
    let said = |fault: StreamFault| match fault {
        StreamFault::NotFound => missing.clone(),
        StreamFault::Failed(why) => why,
    };
    let words = command.join(" ");
    let session = state.parts.streams.exec(of, command, OUTPUTS).await;
    let mut session = session.map_err(said)?;
    let mut output = Vec::new();
    while let Some((_, bytes)) = poll_fn(|cx| session.output.poll_recv(cx)).await {
        let room = MOST - output.len();
        output.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    match session.ended.await.map_err(said)? {
        0 => Ok(output),
        code => {
            let shown = String::from_utf8_lossy(&output);
            Err(format!("command '{words}' exited with {code}: {shown}"))
        }
    }
}
