//! Files.

use std::io::Read as _;

use builder::{Fetch as _, Fetched};

use crate::server::{Answer, Asker, Server};

fn text(fetched: Fetched) -> String {
    let mut file = fetched.file;
    std::io::Seek::rewind(&mut file).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

fn plain(body: &str) -> Option<Answer> {
    Some((200, Vec::new(), body.as_bytes().to_vec()))
}

#[tokio::test]
async fn a_file_with_a_tag_is_fetched_once() {
    let asker = Asker::new();
    let server = Server::start(|path| match path {
        "/tagged" => Some((
            200,
            vec![
                ("etag", "\"1\"".into()),
                ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT".into()),
                ("content-disposition", "attachment; filename=\"b.txt\"".into()),
            ],
            b"one".to_vec(),
        )),
        "/plain" => plain("two"),
        _ => None,
    });
    let tagged = format!("{}/tagged", server.address);
    for _ in 0..2 {
        let fetched = asker.sources.http(&tagged).await.unwrap();
        assert_eq!(
            (fetched.modified, fetched.name.as_deref()),
            (784_111_777, Some("b.txt"))
        );
        assert_eq!(text(fetched), "one");
    }
    assert_eq!(server.asked(), ["GET /tagged", "HEAD /tagged"]);
    for _ in 0..2 {
        assert_eq!(
            text(
                asker
                    .sources
                    .http(&format!("{}/plain", server.address))
                    .await
                    .unwrap()
            ),
            "two"
        );
    }
    assert_eq!(server.asked(), ["GET /plain", "GET /plain"]);
    assert_eq!(asker.sources.prune().await, 3);
    asker.sources.http(&tagged).await.unwrap();
    assert_eq!(server.asked(), ["GET /tagged"]);
    assert_eq!(
        std::fs::read_dir(asker.kept()).unwrap().count(),
        0,
        "bodies have no names"
    );
}

#[tokio::test]
async fn redirects_are_followed_and_failures_told() {
    let asker = Asker::new();
    let other = Server::start(|_| plain("there"));
    let target = format!("{}/file", other.address);
    let server = Server::start(move |path| {
        let to = |location: &str| Some((302, vec![("location", location.to_owned())], Vec::new()));
        match path {
            "/away" => to(&target),
            "/here" => to("there"),
            "/there" => plain("here"),
            "/round" => to("/round"),
            _ => None,
        }
    });
    let secret = server.address.replace("http://", "http://user:secret@");
    assert_eq!(
        text(asker.sources.http(&format!("{secret}/away")).await.unwrap()),
        "there"
    );
    assert_eq!(server.asked(), ["GET /away as Basic dXNlcjpzZWNyZXQ="]);
    assert_eq!(other.asked(), ["GET /file"], "nobody else is shown who asks");
    assert_eq!(
        text(
            asker
                .sources
                .http(&format!("{}/here", server.address))
                .await
                .unwrap()
        ),
        "here"
    );
    let error = |path: &str| {
        let (sources, url) = (asker.sources.clone(), format!("{secret}{path}"));
        async move { sources.http(&url).await.unwrap_err() }
    };
    assert_eq!(error("/missing").await, "invalid response status 404");
    let round = error("/round").await;
    assert!(
        round.ends_with("stopped after 10 redirects") && !round.contains("secret"),
        "{round}"
    );
    let nobody = asker.sources.http("http://127.0.0.1:1/x").await.unwrap_err();
    assert!(nobody.contains("connection refused"), "{nobody}");
}

#[tokio::test]
async fn an_address_that_is_wanted_twice_is_fetched_once() {
    let asker = Asker::new();
    let server = Server::start(|_| Some((200, vec![("etag", "\"1\"".into())], b"one".to_vec())));
    let url = format!("{}/x", server.address);
    let (one, other) = tokio::join!(asker.sources.http(&url), asker.sources.http(&url));
    assert_eq!(text(one.unwrap()) + &text(other.unwrap()), "oneone");
    assert_eq!(server.asked(), ["GET /x", "HEAD /x"]);
}
