use std::sync::Arc;

use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;
use crate::proto::filesync::BytesMessage;

/// Says everything back; at `fail` it fails, at `hang` it waits for ever and tells when it is dropped.
struct Echo(std::sync::Mutex<Option<oneshot::Sender<()>>>);

struct OnDrop(Option<oneshot::Sender<()>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.take().map(|sender| sender.send(()));
    }
}

impl Service for Echo {
    fn answer<'a>(&'a self, mut call: Call, reply: &'a Reply) -> Boxed<'a, Result<(), Status>> {
        Box::pin(async move {
            while let Some(message) = call.incoming.message::<BytesMessage>().await? {
                match &message.data[..] {
                    b"fail" => return Err(Status::invalid("50 % of ünsinn\n")),
                    b"hang" => {
                        let _dropped = OnDrop(self.0.lock().unwrap().take());
                        std::future::pending::<()>().await;
                    }
                    _ => reply.send(&message).await?,
                }
            }
            Ok(())
        })
    }
}

fn bytes(data: &[u8]) -> BytesMessage {
    BytesMessage {
        data: Bytes::copy_from_slice(data),
    }
}

async fn pair() -> (Channel, oneshot::Receiver<()>) {
    let (one, other) = tokio::io::duplex(4096);
    let (told, dropped) = oneshot::channel();
    tokio::spawn(serve(Box::new(one), Arc::new(Echo(Some(told).into()))));
    let (channel, driven) = connect(Box::new(other)).await.unwrap();
    tokio::spawn(driven);
    (channel, dropped)
}

#[tokio::test]
async fn half_messages_of_many_calls_have_one_bound() {
    let (one, other) = tokio::io::duplex(1 << 20);
    tokio::spawn(serve(Box::new(one), Arc::new(Echo(None.into()))));
    let (mut client, connection) = h2::client::handshake(other).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    // The beginning of a message of 15 MiB: six of them fit, so one of seven is refused, whichever comes last.
    let mut beginning = vec![0];
    beginning.extend_from_slice(&(15_u32 << 20).to_be_bytes());
    let (mut responses, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        let request = http::Request::post("http://localhost/echo").body(()).unwrap();
        client = client.ready().await.unwrap();
        let (response, mut stream) = client.send_request(request, false).unwrap();
        stream.send_data(Bytes::from(beginning.clone()), false).unwrap();
        responses.push(response);
        streams.push(stream);
    }
    let (refused, _, _) = futures_util::future::select_all(responses).await;
    assert_eq!(refused.unwrap().headers()["grpc-status"], "8");
}

#[tokio::test]
async fn messages_of_any_size_go_both_ways() {
    let (channel, _) = pair().await;
    let (mut sender, mut incoming) = channel.open("/echo", &[("a", "b")]).await.unwrap();
    // The largest is several windows.
    for size in [0, 1, 70_000, 3 << 20] {
        let message = bytes(&vec![7; size]);
        let (sent, got) = tokio::join!(sender.send(&message), incoming.message::<BytesMessage>());
        sent.unwrap();
        assert_eq!(got.unwrap().unwrap().data.len(), size);
    }
    sender.close();
    assert_eq!(incoming.message::<BytesMessage>().await.unwrap(), None);
}

#[tokio::test]
async fn a_failure_arrives_in_its_own_words() {
    let (channel, _) = pair().await;
    let failed = channel.unary::<BytesMessage>("/echo", &bytes(b"fail")).await;
    assert_eq!(failed.unwrap_err(), Status::invalid("50 % of ünsinn\n"));
}

#[tokio::test]
async fn a_call_is_dropped_with_its_caller() {
    let (channel, dropped) = pair().await;
    let (mut sender, incoming) = channel.open("/echo", &[]).await.unwrap();
    sender.send(&bytes(b"hang")).await.unwrap();
    // Another call has gone through, so the first is being answered.
    channel
        .unary::<BytesMessage>("/echo", &bytes(b"x"))
        .await
        .unwrap();
    drop((sender, incoming));
    dropped.await.unwrap();
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused() {
    let (channel, _) = pair().await;
    let large = channel
        .unary::<BytesMessage>("/echo", &bytes(&vec![0; MAX_MESSAGE + 1]))
        .await;
    assert_eq!(large.unwrap_err().code, Code::ResourceExhausted);
    let (messages, status) = stream::cut_all(&[0, 0xff, 0, 0, 0]);
    assert!(messages.is_empty());
    assert_eq!(status.unwrap().code, Code::ResourceExhausted);
    let (_, status) = stream::cut_all(&[1, 0, 0, 0, 0]);
    assert_eq!(status.unwrap().code, Code::Unimplemented);
}

proptest! {
    #[test]
    fn whatever_comes_is_cut_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let (messages, _) = stream::cut_all(&bytes);
        prop_assert!(messages.iter().map(|message| message.len() + 5).sum::<usize>() <= bytes.len());
    }
}
