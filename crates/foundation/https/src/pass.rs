//! Connections that two others speak over, and this process carries.

use http::{Extensions, Request, Response, StatusCode};
use tokio::io::copy_bidirectional;

use hyper_util::rt::TokioIo;

use crate::upgraded;

/// Joins the connection under a client's request (`client`: what its transport put into that) with the one that an answer
/// came on, if that is `101 Switching Protocols`. The client has to be sent that answer. Ends when both sides have ended,
/// or one has broken off.
pub fn pass_on<B>(client: Extensions, answer: &mut Response<B>) {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    let mut request = Request::new(());
    *request.extensions_mut() = client;
    let (Some(client), server) = (upgraded(&mut request), hyper::upgrade::on(answer)) else {
        return;
    };
    tokio::spawn(async move {
        let joined = async {
            let (mut client, server) = (client.await?, server.await?);
            let mut server = TokioIo::new(server);
            // Whoever is cut off in the middle sees it.
            drop(copy_bidirectional(&mut client, &mut server).await);
            Ok::<_, hyper::Error>(())
        };
        if let Err(error) = joined.await {
            tracing::debug!(%error, "a connection was not taken over");
        }
    });
}
