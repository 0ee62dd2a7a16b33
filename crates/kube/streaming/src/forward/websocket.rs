//! Port-forward over the channels of a WebSocket: for the i-th port, channel 2i carries bytes and 2i+1 errors, and both
//! begin with the port (16 bits, little endian).

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinSet;

use super::Forward;
use super::carry::{Down, Up, carry};
use crate::websocket::{self, Channels, Coding, Decoder, Event, Opcode, Piece, Step};
use crate::wire::{Encode, Inbound, QUEUE, send, told};

/// Pieces that wait for a pod to take them.
const BACKLOG: usize = 8;

enum Say {
    Bytes(u8, Bytes),
    Pong(Bytes),
    Close,
}

struct Mouth(Channels);

impl Encode for Mouth {
    type Command = Option<Say>;

    fn encode(&mut self, say: &Option<Say>, out: &mut BytesMut) {
        match say {
            Some(Say::Bytes(channel, bytes)) => self.0.write(*channel, bytes, out),
            Some(Say::Pong(bytes)) => websocket::encode(Opcode::Pong, &[], bytes, out),
            Some(Say::Close) => websocket::close(1000, out),
            None => {}
        }
    }
}

/// Serves a client until it leaves, or until all its connections are over. There are at most 128 ports, as a channel's
/// number is one byte.
pub(super) async fn serve(
    forward: Forward,
    connection: impl AsyncRead + AsyncWrite + Unpin + Send,
    coding: Coding,
    ports: &[u16],
) {
    let (reading, writing) = tokio::io::split(connection);
    let (tell, commands) = mpsc::channel(QUEUE);
    let mouth = Mouth(Channels::new(coding, false));
    let mut inbound = Inbound::new(reading);
    let talking = talk(forward, coding, ports, &mut inbound, tell);
    if told(talking, send(writing, mouth, commands)).await {
        inbound.linger().await;
    }
}

async fn talk(
    forward: Forward,
    coding: Coding,
    ports: &[u16],
    inbound: &mut Inbound<impl AsyncRead + Unpin>,
    tell: Sender<Option<Say>>,
) {
    let (mut carried, mut open) = (JoinSet::new(), Vec::new());
    for (channel, port) in (0..=u8::MAX).step_by(2).zip(ports) {
        for channel in [channel, channel + 1] {
            let port = Bytes::copy_from_slice(&port.to_le_bytes());
            drop(tell.send(Some(Say::Bytes(channel, port))).await);
        }
        let (to, coming) = mpsc::channel(BACKLOG);
        open.push(to);
        let (forward, tell, port) = (forward.clone(), tell.clone(), *port);
        carried.spawn(carry(forward, port, coming, tell, move |down| {
            said(channel, down)
        }));
    }
    tokio::select! {
        biased;
        () = listen(inbound, Channels::new(coding, false), &open, &tell) => {}
        () = async { while carried.join_next().await.is_some() {} } => {}
    }
    drop(tell.send(Some(Say::Close)).await);
}

/// What the client hears; of an end, nothing.
fn said(channel: u8, down: Down) -> Option<Say> {
    match down {
        Down::Bytes(bytes) => Some(Say::Bytes(channel, bytes)),
        Down::Error(text) => Some(Say::Bytes(channel + 1, text.into())),
        Down::End => None,
    }
}

/// Hands on what the client sends, until it leaves.
async fn listen(
    inbound: &mut Inbound<impl AsyncRead + Unpin>,
    mut channels: Channels,
    open: &[Sender<Up>],
    tell: &Sender<Option<Say>>,
) {
    let mut decoder = Decoder::default();
    loop {
        let more = match decoder.next(&mut inbound.buffer) {
            Ok(Some(Event::Data { first, last, payload })) => {
                let step = channels.take(Piece { first, last, payload });
                hand_on(step, open).await;
                true
            }
            Ok(Some(Event::Ping(bytes))) => tell.send(Some(Say::Pong(bytes))).await.is_ok(),
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

/// Only data channels are the client's to write.
async fn hand_on(step: Step, open: &[Sender<Up>]) {
    if let Step::Bytes(channel, bytes) = step
        && channel % 2 == 0
        && let Some(to) = open.get(usize::from(channel / 2))
    {
        // A connection that is over takes nothing more.
        drop(to.send(Up::Bytes(bytes)).await);
    }
}
