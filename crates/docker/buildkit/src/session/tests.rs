use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::testing::{Client, head};

#[tokio::test]
async fn a_session_is_waited_for_and_heard_to_end() {
    let sessions = Arc::new(Sessions::default());
    let waiting = tokio::spawn({
        let sessions = sessions.clone();
        async move { sessions.get("late").await.map(|session| session.head().clone()) }
    });
    let (session, connection) = Arc::new(Client::default()).open(&sessions, "late").await;
    assert_eq!(waiting.await.unwrap().unwrap(), head("late"));
    assert_eq!(
        sessions.admits(&head("late")).unwrap_err().code,
        Code::AlreadyExists
    );
    connection.abort();
    session.ended().await;
    sessions.admits(&head("late")).unwrap();
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let sessions = Sessions::default();
    let missing = sessions.within(Duration::ZERO, "never").await.unwrap_err();
    assert_eq!(missing.code, Code::NotFound);
}

#[tokio::test]
async fn a_client_is_asked_for_what_it_serves() {
    let sessions = Arc::new(Sessions::default());
    let (session, _connection) = Arc::new(Client::default()).open(&sessions, "s").await;
    assert_eq!(&session.secret("password").await.unwrap().unwrap()[..], b"1234");
    assert_eq!(session.secret("none").await.unwrap(), None);
    assert_eq!(
        session.secret("huge").await.unwrap_err().code,
        Code::ResourceExhausted
    );
    assert_eq!(
        session.credentials("r.example").await.unwrap(),
        ("me".to_owned(), "for r.example".to_owned())
    );
    assert_eq!(session.token("h", "r", "s", Vec::new()).await.unwrap(), None);
    let refused = session.token_authority("h", Bytes::new()).await.unwrap_err();
    assert_eq!(refused.code, Code::Unimplemented);
    assert!(session.has_agent("default").await.unwrap());
    assert!(!session.has_agent("other").await.unwrap());
    let mut pulled = Vec::new();
    let take = |piece: &[u8]| {
        pulled.extend_from_slice(piece);
        Ok(())
    };
    assert_eq!(session.pull("/stdin", take).await.unwrap(), 13);
    assert_eq!(pulled, b"a tar archive");
}

#[tokio::test]
async fn an_agent_answers_until_the_program_has_said_everything() {
    let sessions = Arc::new(Sessions::default());
    let (session, _connection) = Arc::new(Client::default()).open(&sessions, "s").await;
    let (mut program, ours) = tokio::io::duplex(16);
    let forwarded = tokio::spawn(async move { session.forward_agent("default", ours).await });
    program
        .write_all(b"a question that is longer than the pipe")
        .await
        .unwrap();
    program.shutdown().await.unwrap();
    let mut answer = Vec::new();
    program.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"a question that is longer than the pipe");
    forwarded.await.unwrap().unwrap();
}

#[test]
fn a_head_is_read_and_bounded() {
    let mut headers = HeaderMap::new();
    assert!(SessionHead::read(&headers).is_err());
    headers.insert("x-docker-expose-session-uuid", "abc".parse().unwrap());
    headers.append("x-docker-expose-session-grpc-method", "/a/B".parse().unwrap());
    headers.append("x-docker-expose-session-grpc-method", "/a/C".parse().unwrap());
    let head = SessionHead::read(&headers).unwrap();
    assert_eq!((&head.id[..], head.methods.len()), ("abc", 2));
    headers.insert("x-docker-expose-session-name", "x".repeat(1025).parse().unwrap());
    assert!(SessionHead::read(&headers).is_err());
}
