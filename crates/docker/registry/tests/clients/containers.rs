//! skopeo in all directions, podman, buildah and curl.

use std::path::Path;
use std::process::Command;

use crate::serve::Served;

fn run(program: &str, arguments: &[&str], directory: &Path) -> String {
    let mut command = Command::new(program);
    // A storage of its own, and nobody's credentials.
    command
        .args(arguments)
        .current_dir(directory)
        .env("HOME", directory)
        .env("XDG_RUNTIME_DIR", directory);
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn skopeo(directory: &Path, arguments: &[&str]) -> String {
    run("skopeo", &[&["--insecure-policy"], arguments].concat(), directory)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skopeo_copies_in_all_directions() {
    let served = Served::open();
    let id = served.import("docker.io/library/tool:v1");
    let (domain, directory) = (served.domain(), served.directory.path().to_owned());
    let checked = tokio::task::spawn_blocking(move || {
        let at = |name: &str| format!("docker://{domain}/{name}");
        let copy = |more: &[&str], from: &str, to: &str| {
            let tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
            skopeo(&directory, &[&["copy"], &tls[..], more, &[from, to]].concat());
        };
        for (format, place, back) in [
            ("oci", "oci:out-oci:v1", "from-oci"),
            ("v2s2", "dir:out-dir", "from-dir"),
            ("v2s2", "docker-archive:out.tar:tool:v1", "from-archive"),
            ("oci", "oci-archive:out-oci.tar:v1", "from-oci-archive"),
        ] {
            copy(&["--format", format], &at("library/tool:v1"), place);
            copy(&[], place, &at(&format!("copies/{back}:v2")));
            let inspected = skopeo(
                &directory,
                &[
                    "inspect",
                    "--tls-verify=false",
                    "--config",
                    &at(&format!("copies/{back}:v2")),
                ],
            );
            assert!(inspected.contains("rootfs"), "{inspected}");
        }
        copy(&["--all"], &at("copies/from-oci:v2"), &at("copies/again:v3"));
        let tags = skopeo(
            &directory,
            &["list-tags", "--tls-verify=false", &at("copies/again")],
        );
        assert!(tags.contains("v3"), "{tags}");
        skopeo(
            &directory,
            &["delete", "--tls-verify=false", &at("copies/again:v3")],
        );
        domain
    });
    let domain = checked.await.unwrap();
    for name in [
        "copies/from-oci:v2",
        "copies/from-dir:v2",
        "copies/from-archive:v2",
    ] {
        let pushed = format!("{domain}/{name}").parse().unwrap();
        assert_eq!(served.images.target(&pushed).unwrap().image, Some(id), "{name}");
    }
    // The image was unpacked here, so that docker goes on having its name; the registry does not.
    let gone = format!("{domain}/copies/again:v3").parse().unwrap();
    assert_eq!(served.images.offered(&gone), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn podman_and_buildah_pull_and_push() {
    let served = Served::open();
    let id = served.import("docker.io/library/tool:v1");
    let (domain, directory) = (served.domain(), served.directory.path().to_owned());
    let worked = tokio::task::spawn_blocking(move || {
        let root = directory.join("root").to_str().unwrap().to_owned();
        let runs = directory.join("run").to_str().unwrap().to_owned();
        for program in ["podman", "buildah"] {
            let storage = ["--storage-driver", "vfs", "--root", &root, "--runroot", &runs];
            let call = |arguments: &[&str]| run(program, &[&storage[..], arguments].concat(), &directory);
            let name = format!("{domain}/library/tool:v1");
            call(&["pull", "--tls-verify=false", &name]);
            call(&[
                "push",
                "--tls-verify=false",
                &name,
                &format!("docker://{domain}/{program}/tool:v2"),
            ]);
            call(&[
                "push",
                "--tls-verify=false",
                "--format",
                "oci",
                &name,
                &format!("docker://{domain}/{program}/tool:oci"),
            ]);
        }
        domain
    });
    let domain = worked.await.unwrap();
    for name in [
        "podman/tool:v2",
        "podman/tool:oci",
        "buildah/tool:v2",
        "buildah/tool:oci",
    ] {
        let pushed = format!("{domain}/{name}").parse().unwrap();
        let target = served.images.target(&pushed).unwrap();
        // podman writes configurations of its own for other formats; the layers are the same.
        let image = served.images.get(&target.image.unwrap()).unwrap();
        assert_eq!(image.layers.len(), 1, "{name}");
        if name.ends_with("v2") {
            let first = served.images.get(&id).unwrap();
            assert_eq!(image.layers[0].diff_id, first.layers[0].diff_id, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_resumes_a_blob() {
    let served = Served::open();
    let remote = served.remote();
    let bytes = crate::suite::content::blob("curl", 3 << 20);
    let digest = crate::suite::content::push_blob(&remote, "x", &bytes).await;
    let (url, directory) = (
        format!("http://{}/v2/x/blobs/{digest}", served.domain()),
        served.directory.path().to_owned(),
    );
    let resumed = tokio::task::spawn_blocking(move || {
        std::fs::write(directory.join("part"), &bytes[..1_000_000]).unwrap();
        run(
            "curl",
            &[
                "--silent",
                "--fail",
                "--continue-at",
                "-",
                "--output",
                "part",
                &url,
            ],
            &directory,
        );
        assert_eq!(std::fs::read(directory.join("part")).unwrap(), bytes);
    });
    resumed.await.unwrap();
}
