//! Files.

use std::io::Read as _;

use builder::{Authorization, Fetch as _, Fetched};

use crate::server::{Answer, Asker, Server};

const NOBODY: Authorization = Authorization(String::new());

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
        let fetched = asker.sources.http(&tagged, &NOBODY).await.unwrap();
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
                    .http(&format!("{}/plain", server.address), &NOBODY)
                    .await
                    .unwrap()
            ),
            "two"
        );
    }
    assert_eq!(server.asked(), ["GET /plain", "GET /plain"]);
    assert_eq!(asker.sources.prune().await, 3);
    asker.sources.http(&tagged, &NOBODY).await.unwrap();
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
        text(
            asker
                .sources
                .http(&format!("{secret}/away"), &NOBODY)
                .await
                .unwrap()
        ),
        "there"
    );
    assert_eq!(server.asked(), ["GET /away as Basic dXNlcjpzZWNyZXQ="]);
    assert_eq!(other.asked(), ["GET /file"], "nobody else is shown who asks");
    assert_eq!(
        text(
            asker
                .sources
                .http(&format!("{}/here", server.address), &NOBODY)
                .await
                .unwrap()
        ),
        "here"
    );
    let error = |path: &str| {
        let (sources, url) = (asker.sources.clone(), format!("{secret}{path}"));
        async move { sources.http(&url, &NOBODY).await.unwrap_err() }
    };
    assert_eq!(error("/missing").await, "invalid response status 404");
    let round = error("/round").await;
    assert!(
        round.ends_with("stopped after 10 redirects") && !round.contains("secret"),
        "{round}"
    );
    let nobody = asker
        .sources
        .http("http://127.0.0.1:1/x", &NOBODY)
        .await
        .unwrap_err();
    assert!(nobody.contains("connection refused"), "{nobody}");
}

#[tokio::test]
async fn an_address_that_is_wanted_twice_is_fetched_once() {
    let asker = Asker::new();
    let server = Server::start(|_| Some((200, vec![("etag", "\"1\"".into())], b"one".to_vec())));
    let url = format!("{}/x", server.address);
    let (one, other) = tokio::join!(
        asker.sources.http(&url, &NOBODY),
        asker.sources.http(&url, &NOBODY)
    );
    assert_eq!(text(one.unwrap()) + &text(other.unwrap()), "oneone");
    assert_eq!(server.asked(), ["GET /x", "HEAD /x"]);
}

#[tokio::test]
async fn who_asks_is_told_to_the_server_that_is_asked_and_nobody_else_has_what_it_gave() {
    let asker = Asker::new();
    let other = Server::start(|_| plain("there"));
    let target = format!("{}/file", other.address);
    let server = Server::start(move |path| match path {
        "/away" => Some((302, vec![("location", target.clone())], Vec::new())),
        _ => Some((200, vec![("etag", "\"1\"".into())], b"mine".to_vec())),
    });
    let somebody = Authorization("Bearer t".to_owned());
    for (path, who, body, asked, elsewhere) in [
        ("/x", &somebody, "mine", "GET /x as Bearer t", ""),
        ("/x", &somebody, "mine", "GET /x as Bearer t", ""),
        ("/x", &NOBODY, "mine", "GET /x", ""),
        ("/away", &somebody, "there", "GET /away as Bearer t", "GET /file"),
    ] {
        let fetched = asker
            .sources
            .http(&format!("{}{path}", server.address), who)
            .await;
        assert_eq!(text(fetched.unwrap()), body);
        assert_eq!(server.asked(), [asked]);
        assert_eq!(other.asked().join(" "), elsewhere);
    }
}
