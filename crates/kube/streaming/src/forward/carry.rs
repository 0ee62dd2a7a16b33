//! One forwarded connection: bytes between a client's stream and a port of a pod.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, Sender};

use super::Forward;

/// The most bytes that are read from a pod at once.
const PIECE: usize = 32 << 10;

/// What a client sends on a connection. When the channel closes, the client has given the connection up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Up {
    /// Bytes.
    Bytes(Bytes),
    /// It sends no more, and waits for what the pod says.
    End,
}

/// What a client is told of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Down {
    /// Bytes of the pod.
    Bytes(Bytes),
    /// Why it failed.
    Error(String),
    /// It is over.
    End,
}

/// Carries one connection to its end. `say` makes what the client's protocol has for [`Down`].
pub(super) async fn carry<C>(
    forward: Forward,
    port: u16,
    coming: Receiver<Up>,
    tell: Sender<C>,
    say: impl Fn(Down) -> C + Send,
) {
    let carried = match forward.node.forward(forward.pod.clone(), port).await {
        Ok(pipe) => {
            let (reading, writing) = tokio::io::split(pipe);
            tokio::select! {
                biased;
                down = down(reading, &tell, &say) => down,
                // A pipe is closed on both sides at once, so nothing is lost here.
                () = up(writing, coming) => Ok(()),
            }
        }
        Err(error) => Err(error),
    };
    if let Err(error) = carried {
        let uid = &forward.pod.uid;
        let text = format!("error forwarding port {port} to pod {uid}, uid : {error}");
        drop(tell.send(say(Down::Error(text))).await);
    }
    drop(tell.send(say(Down::End)).await);
}

/// Returns when the client has given the connection up. What the pod does not take is dropped: its other direction says
/// what is the matter.
async fn up(mut writing: impl AsyncWrite + Unpin, mut coming: Receiver<Up>) {
    let mut taken = Ok(());
    while let Some(up) = coming.recv().await {
        if taken.is_err() {
            continue;
        }
        taken = match up {
            Up::Bytes(bytes) => writing.write_all(&bytes).await,
            Up::End => writing.shutdown().await,
        };
    }
}

/// Returns when the pod has said everything.
async fn down<C>(
    mut reading: impl AsyncRead + Unpin,
    tell: &Sender<C>,
    say: impl Fn(Down) -> C,
) -> io::Result<()> {
    loop {
        let mut bytes = BytesMut::with_capacity(PIECE);
        if reading.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        if tell.send(say(Down::Bytes(bytes.freeze()))).await.is_err() {
            return Ok(());
        }
    }
}
