use distribution::{Credentials, Page, referrers_tag};
use image::{Digest, media_type};

use crate::fake::{Fake, Seen, client, reply, repository};

#[tokio::test]
async fn a_list_comes_in_pages() {
    let fake = Fake::plain(|seen: &Seen| {
        if seen.path.contains("last=b") {
            reply(200).body(r#"{"name":"a/b","tags":["c"]}"#)
        } else {
            reply(200)
                .with("link", r#"</v2/a/b/tags/list?last=b&n=2>; rel="next""#)
                .body(r#"{"name":"a/b","tags":["a","b"]}"#)
        }
    })
    .await;
    let repository = repository(&fake);
    assert_eq!(repository.tags(Page::default()).await.unwrap(), ["a", "b", "c"]);
    let page = |limit, last: Option<&str>| Page {
        limit: Some(limit),
        last: last.map(str::to_owned),
    };
    assert_eq!(repository.tags(page(2, None)).await.unwrap(), ["a", "b"]);
    assert_eq!(repository.tags(page(1, None)).await.unwrap(), ["a"]);
    assert_eq!(repository.tags(page(5, Some("b"))).await.unwrap(), ["c"]);
    assert_eq!(fake.lines().last().unwrap(), "GET /v2/a/b/tags/list?n=5&last=b");
    // A registry may know neither `n` nor `last`.
    let simple = Fake::plain(|_: &Seen| reply(200).body(r#"{"tags":["a","b","c"]}"#)).await;
    let simple = crate::fake::repository(&simple);
    assert_eq!(simple.tags(page(1, Some("a"))).await.unwrap(), ["b"]);
    let null = Fake::plain(|_: &Seen| reply(200).body(r#"{"tags":null}"#)).await;
    assert_eq!(
        crate::fake::repository(&null)
            .tags(Page::default())
            .await
            .unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_list_that_goes_on_elsewhere_or_for_ever_is_refused() {
    let elsewhere = Fake::plain(|_: &Seen| {
        reply(200)
            .with("link", "<http://other.example.com/>; rel=next")
            .body(r#"{"tags":[]}"#)
    })
    .await;
    let error = repository(&elsewhere).tags(Page::default()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("its next page is with another server"),
        "{error}"
    );
    let endless = Fake::plain(|_: &Seen| {
        reply(200)
            .with("link", "</v2/x>; rel=next")
            .body(r#"{"tags":[]}"#)
    })
    .await;
    let error = repository(&endless).tags(Page::default()).await.unwrap_err();
    assert!(error.to_string().ends_with("more than 1000 pages"), "{error}");
}

#[tokio::test]
async fn a_registry_lists_its_repositories() {
    let fake = Fake::plain(|_: &Seen| reply(200).body(r#"{"repositories":["a","b/c"]}"#)).await;
    let found = client()
        .catalog(&fake.host(), Credentials::Anonymous, Page::default())
        .await
        .unwrap();
    assert_eq!(found, ["a", "b/c"]);
    assert_eq!(fake.lines(), ["GET /v2/_catalog"]);
}

#[tokio::test]
async fn referrers_are_listed_or_kept_under_a_tag() {
    let subject = Digest::of(b"subject");
    let entry = |text: &str, kind: &str| {
        format!(
            r#"{{"mediaType":"{}","digest":"{}","size":1,"artifactType":"{kind}"}}"#,
            media_type::MANIFEST,
            Digest::of(text.as_bytes())
        )
    };
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{},{}]}}"#,
        media_type::INDEX,
        entry("one", "sig"),
        entry("two", "sbom")
    );
    let path = format!("/v2/a/b/referrers/{subject}");
    let tagged = format!("/v2/a/b/manifests/{}", referrers_tag(subject));
    for serves in [path, tagged] {
        let index = index.clone();
        let fake = Fake::plain(move |seen: &Seen| {
            if seen.path.starts_with(&serves) {
                reply(200).body(index.clone())
            } else {
                reply(404)
            }
        })
        .await;
        let repository = repository(&fake);
        assert_eq!(repository.referrers(subject, None).await.unwrap().len(), 2);
        let chosen = repository.referrers(subject, Some("sig")).await.unwrap();
        assert_eq!(chosen.len(), 1);
        assert_eq!(chosen[0].artifact_type.as_deref(), Some("sig"));
        assert_eq!(chosen[0].descriptor.digest, Digest::of(b"one"));
    }
    let none = Fake::plain(|_: &Seen| reply(404)).await;
    assert_eq!(repository(&none).referrers(subject, None).await.unwrap(), []);
}
