use proptest::prelude::*;

use super::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn names_are_normalised_and_made_familiar_again() {
    let check = |text: &str, full: &str, familiar: &str| {
        let reference = Reference::parse(text).unwrap();
        assert_eq!(
            (reference.to_string(), reference.familiar()),
            (full.to_owned(), familiar.to_owned())
        );
    };
    check("busybox", "docker.io/library/busybox", "busybox");
    check("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36");
    check("docker.io/busybox", "docker.io/library/busybox", "busybox");
    check("index.docker.io/a/b", "docker.io/a/b", "a/b");
    check("library/a/b", "docker.io/library/a/b", "library/a/b");
    check("localhost/x", "localhost/x", "localhost/x");
    check("localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y");
    check("Registry/x", "Registry/x", "Registry/x");
    check("[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x");
    check("a__b/c---d.e", "docker.io/a__b/c---d.e", "a__b/c---d.e");
    let digest = format!("x:1@sha256:{HEX}");
    check(&digest, &format!("docker.io/library/{digest}"), &digest);
}

#[test]
fn what_is_no_reference_is_refused_in_upstreams_words() {
    let check = |text: &str, error: &str| {
        assert_eq!(Reference::parse(text).unwrap_err().to_string(), error, "{text:?}");
    };
    let format = "invalid reference format";
    for text in [
        "", ":tag", "a//b", "a/", "/a", "a..b", "a___b", "-a", "a-", "a:", "a:-b", "a@b", "a b", "é",
    ] {
        check(text, format);
    }
    check("a:b:c", format);
    check("-host.x/a", format);
    check("[::z]/a", format);
    check("host:port.x/a", format);
    check(&format!("a:{}", "t".repeat(129)), format);
    check(
        "Foo",
        "invalid reference format: repository name (library/Foo) must be lowercase",
    );
    check(
        "a/Foo:Tag",
        "invalid reference format: repository name (a/Foo) must be lowercase",
    );
    check(
        HEX,
        &format!("invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
    );
    check(
        &"a".repeat(256),
        "repository name must not be more than 255 characters",
    );
    check(
        &format!("a@sha256:{}", &HEX[..32]),
        "invalid checksum digest length",
    );
    check(&format!("a@md5:{}", &HEX[..32]), "unsupported digest algorithm");
}

#[test]
fn latest_is_the_tag_of_a_bare_name_only() {
    let check = |text: &str, familiar: &str| {
        assert_eq!(
            Reference::parse(text).unwrap().with_default_tag().familiar(),
            familiar
        );
    };
    check("a", "a:latest");
    check("a:b", "a:b");
    check(&format!("a@sha256:{HEX}"), &format!("a@sha256:{HEX}"));
    assert_eq!(
        Reference::parse("a").unwrap().with_tag("b c"),
        Err(ReferenceError::Tag)
    );
}

/// A text that follows the grammar, built from its rules.
fn reference() -> impl Strategy<Value = String> {
    let first = "[a-z0-9]{1,4}((_|__|-{1,3})[a-z0-9]{1,4}){0,2}";
    let element = "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}";
    let domain = "(([a-zA-Z0-9]{1,3}-?[a-zA-Z0-9]{1,3}\\.){1,2}[a-z]{2}|localhost|\\[[0-9a-f]{0,4}:[0-9a-f:]{0,6}\\])(:[0-9]{1,5})?/";
    let suffix = format!("(:[\\w&&[:ascii:]][\\w.&&[:ascii:]-]{{0,9}})?(@sha256:{HEX})?");
    proptest::string::string_regex(&format!("({domain})?{first}(/{element}){{0,2}}{suffix}")).unwrap()
}

proptest! {
    #[test]
    fn what_follows_the_grammar_is_read_and_read_again(text in reference()) {
        let reference = Reference::parse(&text).unwrap();
        prop_assert_eq!(Reference::parse(&reference.to_string()), Ok(reference.clone()));
        prop_assert_eq!(Reference::parse(&reference.familiar()), Ok(reference));
    }

    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,40}") {
        fuzz(text.as_bytes());
    }

    #[test]
    fn nearly_references_do_no_harm(text in "[aA0._:@/\\[\\]-]{0,20}") {
        fuzz(text.as_bytes());
    }
}

/// The order is that of the texts, though none is made.
#[test]
fn references_are_ordered_as_their_texts_are() {
    let (low, high) = (Digest::of(b"2"), Digest::of(b"1"));
    let mut references = Vec::new();
    for name in ["a", "a/b", "a-b", "a.b/c", "x.y:5/a", "localhost/a", "ab"] {
        for suffix in [String::new(), ":1".to_owned(), ":10".to_owned(), ":a".to_owned()] {
            for digest in [None, Some(low), Some(high)] {
                let mut reference = Reference::parse(&format!("{name}{suffix}")).unwrap();
                reference.digest = digest;
                references.push(reference);
            }
        }
    }
    for one in &references {
        for other in &references {
            let texts = one.to_string().cmp(&other.to_string());
            let by_name = one.name().cmp(&other.name());
            assert_eq!(one.cmp(other), by_name.then(texts), "{one} {other}");
        }
    }
}

#[test]
fn what_was_fetched_has_a_name_that_no_registry_has() {
    for (domain, kept) in [
        ("docker.io", "docker.io.mirror.invalid"),
        ("localhost:5055", "localhost.mirror.invalid:5055"),
    ] {
        assert_eq!(fetched_from(domain), kept);
        let (repository, there) = (format!("{kept}/a/b"), format!("{domain}/a/b"));
        assert_eq!(fetched_name(&repository), Some(there));
        assert!(is_fetched(kept) && is_fetched(&repository));
        assert!(!is_fetched(domain) && fetched_name(domain).is_none());
    }
}
