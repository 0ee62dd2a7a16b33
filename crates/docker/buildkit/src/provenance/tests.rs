use super::*;

fn asked(value: &str) -> Result<Option<Provenance>, String> {
    let options = BTreeMap::from([("attest:provenance".to_owned(), value.to_owned())]);
    Provenance::asked(&options).map_err(|status| status.message)
}

fn built(known: bool) -> Built {
    let options = [
        ("attest:provenance", "mode=max"),
        ("build-arg:A", "secret"),
        ("cgroup-parent", "x"),
        ("context", "https://u:p@h/r.git#v:d"),
        ("filename", "F"),
        ("label:l", "v"),
        ("target", "t"),
        ("vcs:source", "https://u:p@h/r"),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let commit = "c".repeat(40);
    let request = Request {
        frontend: "dockerfile.v0".to_owned(),
        options: options.into(),
        context: Some(Material::Git {
            url: "https://u:p@h/r.git#v".to_owned(),
            commit: commit.clone(),
        }),
        secrets: vec![("s".to_owned(), false)],
        name: "F".to_owned(),
        text: b"FROM x".to_vec(),
        is_whole: true,
        ..Request::default()
    };
    Built {
        image: "sha256:1".to_owned(),
        config: Vec::new(),
        steps: Vec::new(),
        mounts: Vec::new(),
        caches: crate::build::Held::default(),
        materials: vec![
            Material::Image {
                reference: "docker.io/library/busybox:latest".to_owned(),
                platform: "linux/amd64".to_owned(),
                digest: "sha256:2".to_owned(),
            },
            Material::Git {
                url: "https://u:p@h/r.git#v".to_owned(),
                commit,
            },
        ],
        request: known.then(|| request.into()),
        held: crate::build::Held::default(),
    }
}

fn said(value: &str, known: bool) -> Value {
    let run = Run {
        id: "build",
        started: "2026-01-01T00:00:00Z".to_owned(),
        finished: "2026-01-01T00:00:01Z".to_owned(),
        platform: "linux/amd64".to_owned(),
    };
    let predicate = asked(value).unwrap().unwrap().of(&built(known), &run).unwrap();
    let subjects = [("pkg:docker/x@1".to_owned(), "sha256:3".to_owned())];
    serde_json::from_slice(&predicate.statement(&subjects)).unwrap()
}

#[test]
fn what_is_meant_for_everybody_has_no_arguments() {
    let statement = said("mode=min,inline-only=true", true);
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v0.1");
    assert_eq!(statement["predicateType"], SLSA02);
    assert_eq!(
        statement["subject"],
        json!([{ "name": "pkg:docker/x@1", "digest": { "sha256": "3" } }])
    );
    let predicate = &statement["predicate"];
    assert_eq!(
        predicate["invocation"],
        json!({
            "configSource": {
                "uri": "https://u:xxxxx@h/r.git#v:d", "digest": { "sha1": "c".repeat(40) }, "entryPoint": "F",
            },
            "parameters": { "frontend": "dockerfile.v0", "args": { "target": "t" } },
            "environment": { "platform": "linux/amd64" },
        })
    );
    assert_eq!(
        predicate["materials"],
        json!([
            { "uri": "pkg:docker/busybox@latest?platform=linux%2Famd64", "digest": { "sha256": "2" } },
            { "uri": "https://u:xxxxx@h/r.git#v", "digest": { "sha1": "c".repeat(40) } },
        ])
    );
    assert_eq!(
        predicate["metadata"],
        json!({
            "buildInvocationID": "build",
            "buildStartedOn": "2026-01-01T00:00:00Z",
            "buildFinishedOn": "2026-01-01T00:00:01Z",
            "completeness": { "parameters": false, "environment": true, "materials": true },
            "reproducible": false,
            "https://mobyproject.org/buildkit@v1#metadata": { "vcs": { "source": "https://u:xxxxx@h/r" } },
        })
    );
}

#[test]
fn everything_that_is_known_is_said_in_both_forms() {
    let old = &said("mode=max", true)["predicate"];
    let parameters = json!({
        "frontend": "dockerfile.v0",
        "args": { "build-arg:A": "secret", "label:l": "v", "target": "t" },
        "secrets": [{ "id": "s", "optional": true }],
    });
    assert_eq!(old["invocation"]["parameters"], parameters);
    assert_eq!(old["metadata"]["completeness"]["parameters"], true);
    assert_eq!(old.get("buildConfig"), None);
    let new = &said("version=v1,builder-id=me", true);
    assert_eq!(new["predicateType"], SLSA1);
    let new = &new["predicate"];
    assert_eq!(
        new["buildDefinition"]["externalParameters"]["request"],
        parameters
    );
    assert_eq!(new["buildDefinition"]["resolvedDependencies"], old["materials"]);
    assert_eq!(new["runDetails"]["builder"]["id"], "me");
    let file = json!([{ "filename": "F", "language": "Dockerfile", "data": STANDARD.encode("FROM x") }]);
    assert_eq!(
        new["runDetails"]["metadata"]["buildkit_metadata"]["source"]["infos"],
        file
    );
}

#[test]
fn of_what_came_without_a_frontend_nothing_is_called_complete() {
    let predicate = &said("mode=max", false)["predicate"];
    assert_eq!(
        predicate["metadata"]["completeness"],
        json!({ "parameters": false, "environment": true, "materials": false })
    );
    assert_eq!(predicate["invocation"]["parameters"], json!({}));
}

#[test]
fn options_are_read_and_others_are_refused() {
    assert_eq!(asked("disabled=true"), Ok(None));
    assert!(asked("").unwrap().unwrap().max);
    assert!(
        asked("type=provenance,mode=min,inline-only=true")
            .unwrap()
            .unwrap()
            .inline_only
    );
    for (value, sentence) in [
        ("mode=x", "invalid mode \"x\""),
        ("version=v2", "invalid provenance SLSA version: v2"),
        (
            "capture-usage=true",
            "capture-usage of a provenance attestation is not supported",
        ),
    ] {
        assert_eq!(asked(value).unwrap_err(), sentence);
    }
    let other = BTreeMap::from([("attest:x".to_owned(), String::new())]);
    let refused = Provenance::asked(&other).unwrap_err().message;
    assert_eq!(refused, "unknown attestation type \"x\"");
    let argument = BTreeMap::from([(
        "build-arg:BUILDKIT_ATTEST_PROVENANCE".to_owned(),
        "mode=min".to_owned(),
    )]);
    assert!(Provenance::asked(&argument).unwrap().is_some());
}

#[test]
fn names_are_package_urls() {
    for (reference, url) in [
        (
            "docker.io/library/busybox:latest",
            "pkg:docker/busybox@latest?platform=linux%2Farm64%2Fv8",
        ),
        (
            "localhost:5000/a/b:1",
            "pkg:docker/localhost:5000/a/b@1?platform=linux%2Farm64%2Fv8",
        ),
    ] {
        assert_eq!(package_url(reference, "linux/arm64/v8"), url);
    }
    let digest = format!("x@sha256:{}", "1".repeat(64));
    let url = format!("pkg:docker/x?digest=sha256%3A{}&platform=linux", "1".repeat(64));
    assert_eq!(package_url(&digest, "linux"), url);
}
