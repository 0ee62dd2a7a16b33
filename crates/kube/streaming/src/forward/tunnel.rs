//! SPDY inside a WebSocket (KEP-4006): the payloads of binary messages are one stream of bytes, wherever they are cut.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc::{self, Sender};

use super::{Forward, spdy};
use crate::websocket::{self, Decoder, Event, Opcode};
use crate::wire::{Encode, Inbound, QUEUE, send, told};

/// Bytes that wait between the two protocols, in each direction; and the longest message.
const BETWEEN: usize = 64 << 10;

enum Say {
    Bytes(Bytes),
    Pong(Bytes),
    Close,
}

struct Mouth;

impl Encode for Mouth {
    type Command = Say;

    fn encode(&mut self, say: &Say, out: &mut BytesMut) {
        match say {
            Say::Bytes(bytes) => websocket::encode(Opcode::Binary, &[], bytes, out),
            Say::Pong(bytes) => websocket::encode(Opcode::Pong, &[], bytes, out),
            Say::Close => websocket::close(1000, out),
        }
    }
}

/// Serves a client until it leaves.
pub(super) async fn serve(forward: Forward, connection: impl AsyncRead + AsyncWrite + Unpin + Send) {
    let (reading, writing) = tokio::io::split(connection);
    let (tell, commands) = mpsc::channel(QUEUE);
    let (inner, outer) = tokio::io::duplex(BETWEEN);
    let (from, to) = tokio::io::split(outer);
    let talking = async move {
        tokio::select! {
            biased;
            () = spdy::serve(forward, inner) => {}
            () = out(from, &tell) => {}
            () = into(Inbound::new(reading), to, &tell) => {}
        }
        drop(tell.send(Say::Close).await);
    };
    told(talking, send(writing, Mouth, commands)).await;
}

/// Unwraps what the client sends, until it leaves.
async fn into(
    mut inbound: Inbound<impl AsyncRead + Unpin>,
    mut to: WriteHalf<DuplexStream>,
    tell: &Sender<Say>,
) {
    let mut decoder = Decoder::default();
    loop {
        let more = match decoder.next(&mut inbound.buffer) {
            Ok(Some(Event::Data { payload, .. })) => to.write_all(&payload).await.is_ok(),
            Ok(Some(Event::Ping(bytes))) => tell.send(Say::Pong(bytes)).await.is_ok(),
            Ok(Some(Event::Pong)) => true,
            Ok(None) => inbound.more().await,
            Ok(Some(Event::Close(_))) => false,
            Err(fault) => {
                tracing::debug!(%fault, "a client breaks its protocol");
                false
            }
        };
        if !more {
            return;
        }
    }
}

/// Wraps what the client is told.
async fn out(mut from: ReadHalf<DuplexStream>, tell: &Sender<Say>) {
    loop {
        let mut bytes = BytesMut::with_capacity(BETWEEN);
        let read = from.read_buf(&mut bytes).await.unwrap_or(0);
        if read == 0 || tell.send(Say::Bytes(bytes.freeze())).await.is_err() {
            return;
        }
    }
}
