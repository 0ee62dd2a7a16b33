//! Which of an index's images a name stands for, pulled from another registry and from the node's own.

use bytes::Bytes;
use distribution::{Credentials, Parts, Progress, Pull, Pulled, Registries};
use image::{Descriptor, Digest, DigestAlgorithm, Images, Platform, Push, ServedManifest, media_type};
use serde_json::{Value, json};

use crate::fake::{Fake, Seen, reply};
use crate::hostile::node;

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

/// A document or blob, and its media type.
type Document = (&'static str, Bytes);

fn document(kind: &'static str, value: &Value) -> Document {
    (kind, value.to_string().into())
}

/// Images without layers for this machine and another, an index of both, and an artifact.
struct Served {
    configs: Vec<Document>,
    manifests: Vec<Document>,
    index: Document,
    artifact: Document,
    other: &'static str,
}

fn served() -> Served {
    let host = Platform::host().architecture;
    let other = if host == "arm64" { "riscv64" } else { "arm64" };
    let config = |architecture: &str| {
        let rootfs = json!({"type": "layers", "diff_ids": []});
        let config = json!({"os": "linux", "architecture": architecture, "rootfs": rootfs});
        document(media_type::CONFIG, &config)
    };
    let manifest = |(kind, config): &Document| {
        let config = descriptor(kind, config);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": [],
        });
        document(media_type::MANIFEST, &manifest)
    };
    let entry = |architecture: &str, (kind, bytes): &Document| {
        let mut entry = descriptor(kind, bytes);
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entry
    };
    let empty = (media_type::EMPTY, Bytes::from_static(b"{}"));
    let configs = vec![config(&host), config(other), empty];
    let manifests: Vec<Document> = configs.iter().map(manifest).collect();
    let index = json!({
        "schemaVersion": 2, "mediaType": media_type::INDEX,
        "manifests": [entry(&host, &manifests[0]), entry(other, &manifests[1])],
    });
    Served {
        index: document(media_type::INDEX, &index),
        artifact: manifests[2].clone(),
        configs,
        manifests,
        other,
    }
}

impl Served {
    /// Names with what they stand for.
    fn tags(&self) -> [(&'static str, &Document); 3] {
        [
            ("both", &self.index),
            ("other", &self.manifests[1]),
            ("artifact", &self.artifact),
        ]
    }

    async fn elsewhere(&self) -> Fake {
        let all = self.configs.iter().chain(&self.manifests).chain([&self.index]);
        let by_digest = all.map(|document| (Digest::of(&document.1).to_string(), document.clone()));
        let tags = self.tags();
        let by_tag = tags
            .iter()
            .map(|(tag, document)| ((*tag).to_owned(), (*document).clone()));
        let found: Vec<(String, Document)> = by_digest.chain(by_tag).collect();
        Fake::plain(move |seen: &Seen| {
            let last = seen.path.rsplit('/').next().unwrap_or_default();
            let document = found.iter().find(|(name, _)| name == last);
            document.map_or_else(
                || reply(404),
                |(_, (kind, bytes))| reply(200).with("content-type", kind).body(bytes.clone()),
            )
        })
        .await
    }

    /// All of it, pushed to the node's own registry.
    fn push(&self, images: &Images) {
        let repository = "localhost:5000/a/b";
        for (_, bytes) in &self.configs {
            let mut upload = images.begin_blob(DigestAlgorithm::default());
            upload.append(bytes).unwrap();
            images
                .finish_blob(upload, &Digest::of(bytes), repository)
                .unwrap();
        }
        let push = |(kind, bytes): &Document, tags: &[String]| {
            let push = Push {
                repository,
                digest: None,
                tags,
                media_type: kind,
            };
            images.push_manifest(&push, bytes).unwrap();
        };
        self.manifests.iter().for_each(|manifest| push(manifest, &[]));
        for (tag, document) in self.tags() {
            push(document, &[tag.to_owned()]);
        }
    }
}

fn wish(name: &str, architecture: &str) -> Pull {
    let platform = (!architecture.is_empty()).then(|| Platform {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        variant: None,
    });
    Pull {
        reference: name.parse().unwrap(),
        platform,
        credentials: Credentials::Anonymous,
    }
}

async fn pull(registries: &Registries, name: &str, architecture: &str) -> Result<Pulled, String> {
    let wish = wish(name, architecture);
    let (told, _listening) = tokio::sync::mpsc::channel(100);
    let pulled = registries.pull(&wish, &Progress(told)).await;
    pulled.map_err(|fault| fault.pulling(&wish.reference))
}

#[tokio::test]
async fn a_name_stands_for_the_image_of_the_platform_that_was_asked_for_last() {
    let served = served();
    let host = Platform::host().architecture;
    let fake = served.elsewhere().await;
    for repository in [format!("{}/a/b", fake.host()), "localhost:5000/a/b".to_owned()] {
        let (registries, images, _directory) = node(Some(5000));
        let own = registries.is_own("localhost:5000") && repository.starts_with("localhost");
        if own {
            served.push(&images);
        }
        let both = format!("{repository}:both");
        let asked = [
            // A push to the own registry has named this machine's image already.
            ("", host.as_str(), !own),
            (served.other, served.other, true),
            (served.other, served.other, false),
            ("", host.as_str(), true),
            ("", host.as_str(), false),
            (host.as_str(), host.as_str(), false),
        ];
        for (step, (platform, architecture, newer)) in asked.into_iter().enumerate() {
            let what = format!("{both}, step {step}");
            let pulled = pull(&registries, &both, platform).await.unwrap();
            assert_eq!(pulled.digest, Digest::of(&served.index.1), "{what}");
            assert_eq!(pulled.image.config.architecture, architecture, "{what}");
            assert_eq!(pulled.newer, newer, "{what}");
            let named = images.resolve(&both).unwrap();
            assert_eq!(named.id, pulled.image.id, "{what}");
        }
        // One manifest alone is what it is, unless somebody asks for something else.
        let other = format!("{repository}:other");
        for newer in [true, false] {
            let pulled = pull(&registries, &other, "").await.unwrap();
            assert_eq!(
                (pulled.image.config.architecture.as_str(), pulled.newer),
                (served.other, newer),
                "{other}"
            );
        }
        let refused = [
            (
                "both",
                "s390x",
                "no matching manifest for linux/s390x in the manifest list entries".to_owned(),
            ),
            (
                "other",
                host.as_str(),
                format!(
                    "image with reference {other} was found but does not provide the specified platform (linux/{host})"
                ),
            ),
            (
                "artifact",
                "",
                "unsupported media type application/vnd.oci.empty.v1+json".to_owned(),
            ),
        ];
        for (tag, platform, expected) in refused {
            let name = format!("{repository}:{tag}");
            assert_eq!(
                pull(&registries, &name, platform).await.unwrap_err(),
                expected,
                "{name}"
            );
        }
    }
}

/// What a build begins with for another platform does not change what a name stands for.
#[tokio::test]
async fn an_image_that_is_pulled_apart_is_called_by_its_own_digest() {
    let served = served();
    let fake = served.elsewhere().await;
    let manifest = Digest::of(&served.manifests[1].1);
    for repository in [format!("{}/a/b", fake.host()), "localhost:5000/a/b".to_owned()] {
        let (registries, images, _directory) = node(Some(5000));
        if repository.starts_with("localhost") {
            served.push(&images);
        }
        let both = format!("{repository}:both");
        let here = pull(&registries, &both, "").await.unwrap().image.id;
        // The index, and the manifest alone, which is what it is whatever is asked for.
        for (tag, platform) in [("both", served.other), ("other", "s390x"), ("both", served.other)] {
            let wish = wish(&format!("{repository}:{tag}"), platform);
            let (told, _listening) = tokio::sync::mpsc::channel(100);
            let pulled = registries.pull_apart(&wish, &Progress(told)).await.unwrap();
            assert_eq!(
                pulled.image.config.architecture, served.other,
                "{repository}:{tag}"
            );
            assert_eq!(images.resolve(&both).unwrap().id, here, "{repository}:{tag}");
            let named = images.resolve(&format!("{repository}@{manifest}")).unwrap();
            assert_eq!(named.id, pulled.image.id, "{repository}:{tag}");
        }
        let (told, _listening) = tokio::sync::mpsc::channel(100);
        let fault = registries
            .pull_apart(&wish(&both, "s390x"), &Progress(told))
            .await;
        assert!(fault.is_err(), "the index has none");
    }
}

/// What a build pushes by itself is no less elsewhere than what `docker push` does.
#[tokio::test]
async fn an_image_that_was_made_for_its_push_can_be_had_again() {
    let served = served();
    let fake = Fake::plain(|seen: &Seen| reply(if seen.method == "PUT" { 201 } else { 200 })).await;
    let (registries, images, _directory) = node(Some(5000));
    served.push(&images);
    let (kind, config) = &served.configs[0];
    let id = Digest::of(config);
    assert!(images.get(&id).unwrap().made_here);
    let manifest = |(kind, bytes): &Document| ServedManifest {
        digest: Digest::of(bytes),
        media_type: (*kind).to_owned(),
        bytes: bytes.clone(),
    };
    let parts = Parts {
        reference: format!("{}/a/b:1", fake.host()).parse().unwrap(),
        credentials: Credentials::Anonymous,
        blobs: vec![Descriptor::new(kind, id, config.len() as u64)],
        manifests: vec![manifest(&served.manifests[0]), manifest(&served.index)],
    };
    let (told, _listening) = tokio::sync::mpsc::channel(100);
    registries.push_parts(&parts, &Progress(told)).await.unwrap();
    assert!(!images.get(&id).unwrap().made_here);
}
