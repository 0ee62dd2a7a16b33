//! Repositories, over a web server that knows nothing of git.

use std::path::Path;
use std::process::Command;

use builder::{Fetch as _, GitSource};

use crate::server::{Asker, Server};

/// Runs a script in a directory; git has nobody's configuration.
fn shell(directory: &Path, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ALLOW_PROTOCOL", "http:file")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

struct Remote {
    _directories: [tempfile::TempDir; 2],
    server: Server,
    url: String,
    second: String,
    latest: String,
    directory: std::path::PathBuf,
}

/// Commits `first` (v1, branch `base`), a branch `feature` with `sub/`, `second` (annotated v2), `latest`; and a submodule.
fn remote(format: &str) -> Remote {
    let module = tempfile::tempdir().unwrap();
    let init = format!(
        "git init -q -b master --object-format={format}; git config user.email t; git config user.name t"
    );
    let script = format!("{init}; echo 123 >file; git add file; git commit -qm i; git update-server-info");
    shell(module.path(), &script);
    let modules = Server::files(module.path());
    let main = tempfile::tempdir().unwrap();
    let script = format!(
        "{init}
         echo first >foo; ln -s foo link; git submodule --quiet add {}/.git module
         git add .; git commit -qm first; git tag v1; git branch base
         git checkout -qb feature; mkdir sub; echo sub >sub/foo; ln -s /etc sub/out; ln -s sub odd; git add .; git commit -qm f
         git checkout -q master; echo second >foo; git add .; git commit -qm second; git tag -am words v2
         echo latest >foo; git add .; git commit -qm latest; git update-server-info",
        modules.address
    );
    shell(main.path(), &script);
    let second = shell(main.path(), "git rev-parse v2^{commit}");
    let latest = shell(main.path(), "git rev-parse master");
    let server = Server::files(main.path());
    std::mem::forget(modules);
    Remote {
        url: format!("{}/.git", server.address),
        directory: main.path().to_owned(),
        _directories: [main, module],
        server,
        second,
        latest,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_of_an_address() {
    let remote = remote("sha1");
    let asker = Asker::new();
    let (second, latest) = (&remote.second, &remote.latest);
    let cases = [
        (String::new(), Ok("latest")),
        ("#v1".into(), Ok("first")),
        ("#v2".into(), Ok("second")),
        ("?ref=base".into(), Ok("first")),
        ("?branch=base".into(), Ok("first")),
        ("?branch=invalid".into(), Err("repository does not contain ref")),
        ("?branch=v2".into(), Err("repository does not contain ref")),
        ("?tag=v2#refs/tags/v2".into(), Ok("second")),
        (
            format!("?tag=v2&commit={latest}"),
            Err("expected checksum to match"),
        ),
        (format!("?tag=v2&commit={second}"), Ok("second")),
        (format!("?commit={latest}"), Ok("latest")),
        (format!("?commit={}", &latest[..8]), Ok("latest")),
        (
            format!("?commit={}", &second[..8]),
            Err("expected checksum to match"),
        ),
        (format!("?ref={second}"), Ok("second")),
        (format!("#{second}"), Ok("second")),
        (
            format!("?ref={}", &second[..8]),
            Err("repository does not contain ref"),
        ),
        (format!("?ref={second}&commit={second}"), Ok("second")),
        (
            format!("?ref={second}&commit={latest}"),
            Err("expected checksum to match"),
        ),
        ("?commit=foobar".into(), Err("expected hex commit hash")),
        ("#feature:sub".into(), Ok("sub")),
        ("?subdir=sub&ref=feature".into(), Ok("sub")),
        ("#feature:odd".into(), Err("invalid subdir odd")),
        ("#feature:sub/out".into(), Err("invalid subdir sub/out")),
        ("#feature:absent".into(), Err("invalid subdir absent")),
        (format!("?fetch-by-commit&commit={second}"), Ok("second")),
        ("?fetch-by-commit".into(), Err("fetch-by-commit requires")),
    ];
    for (form, expected) in cases {
        let found = asker.repository(&format!("{}{form}", remote.url)).await;
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                let foo = std::fs::read_to_string(found.directory.join("foo")).unwrap();
                assert_eq!(foo.trim(), expected, "{form}");
                assert!(!found.directory.join(".git").exists(), "{form}");
            }
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{form}: {error}"),
            (found, expected) => panic!("{form}: {found:?} and not {expected:?}"),
        }
    }
    let left: Vec<_> = std::fs::read_dir(asker.kept().join("git"))
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with("checkout")
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn submodules_and_history() {
    for format in ["sha1", "sha256"] {
        let remote = remote(format);
        let asker = Asker::new();
        let checkout = |query: &'static str| {
            asker.repository(Box::leak(format!("{}{query}", remote.url).into_boxed_str()))
        };
        let found = checkout("").await.unwrap();
        assert_eq!(
            std::fs::read_to_string(found.directory.join("module/file")).unwrap(),
            "123\n"
        );
        assert!(!found.directory.join("module/.git").exists());
        assert_eq!(
            std::fs::read_link(found.directory.join("link")).unwrap(),
            Path::new("foo")
        );
        assert_eq!(found.commit, remote.latest);
        let found = checkout("?submodules=false").await.unwrap();
        assert!(!found.directory.join("module/file").exists());
        let found = checkout("?tag=v2&keep-git-dir=true").await.unwrap();
        assert_eq!(
            std::fs::read_to_string(found.directory.join(".git/HEAD"))
                .unwrap()
                .trim(),
            remote.second
        );
        assert_eq!(shell(&found.directory, "git -c safe.directory='*' status -s"), "");
        let config = std::fs::read_to_string(found.directory.join(".git/config")).unwrap();
        assert!(
            config.contains(&remote.url) && !config.contains("file://"),
            "{config}"
        );
        let found = checkout("?mtime=commit").await.unwrap();
        let time = shell(&remote.directory, "git show -s --format=%ct master")
            .parse()
            .unwrap();
        let modified = |name: &str| {
            use std::os::unix::fs::MetadataExt as _;
            std::fs::symlink_metadata(found.directory.join(name))
                .unwrap()
                .mtime()
        };
        assert_eq!((modified("foo"), modified("link")), (time, time));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_here_is_not_fetched_again_and_what_has_moved_is() {
    let remote = remote("sha1");
    let asker = Asker::new();
    assert_eq!(asker.repository(&remote.url).await.unwrap().commit, remote.latest);
    assert!(
        remote
            .server
            .asked()
            .iter()
            .any(|asked| asked.contains("/objects/"))
    );
    assert_eq!(asker.repository(&remote.url).await.unwrap().commit, remote.latest);
    let asked = remote.server.asked();
    assert!(
        !asked.is_empty() && !asked.iter().any(|asked| asked.contains("/objects/")),
        "{asked:?}"
    );
    shell(
        &remote.directory,
        "git commit -q --allow-empty -m moved; git tag -f v1 >/dev/null; git update-server-info",
    );
    let moved = shell(&remote.directory, "git rev-parse master");
    assert_eq!(asker.repository(&remote.url).await.unwrap().commit, moved);
    assert_eq!(
        asker
            .repository(&format!("{}#v1", remote.url))
            .await
            .unwrap()
            .commit,
        moved
    );
    assert!(asker.sources.prune().await > 0);
    assert_eq!(
        asker
            .repository(&format!("{}#v1", remote.url))
            .await
            .unwrap()
            .commit,
        moved
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_builds_have_a_checkout_each() {
    let remote = remote("sha1");
    let asker = Asker::new();
    let urls = ["#v1", "#v2", ""].map(|form| format!("{}{form}", remote.url));
    let (one, two, three) = tokio::join!(
        asker.repository(&urls[0]),
        asker.repository(&urls[1]),
        asker.repository(&urls[2])
    );
    let found = [one, two, three].map(Result::unwrap);
    let foos = found
        .each_ref()
        .map(|found| std::fs::read_to_string(found.directory.join("foo")).unwrap());
    assert_eq!(foos, ["first\n", "second\n", "latest\n"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_may_not_name_files_of_this_machine() {
    let asker = Asker::new();
    let host = tempfile::tempdir().unwrap();
    shell(
        host.path(),
        "git init -q -b master; git config user.email t; git config user.name t; echo s >s; git add s; git commit -qm s",
    );
    let main = tempfile::tempdir().unwrap();
    let script = format!(
        "git init -q -b master; git config user.email t; git config user.name t
         git -c protocol.file.allow=always submodule --quiet add file://{} module
         git commit -qm m; git update-server-info",
        host.path().display()
    );
    shell(main.path(), &script);
    let server = Server::files(main.path());
    let error = asker
        .repository(&format!("{}/.git", server.address))
        .await
        .unwrap_err();
    assert!(
        error.contains("failed to update submodules") && error.contains("not allowed"),
        "{error}"
    );
    let missing = asker.repository("http://127.0.0.1:1/x.git").await.unwrap_err();
    assert!(
        missing.starts_with("failed to fetch remote http://127.0.0.1:1/x.git: git stderr:\n"),
        "{missing}"
    );
}

/// Who asks is told to the repository's own server, and not kept from another build that asks with other words.
#[tokio::test]
async fn a_server_is_told_who_asks() {
    let asker = Asker::new();
    let server = Server::start(|_| None);
    let mut source = GitSource::parse(&format!("{}/private.git", server.address))
        .unwrap()
        .unwrap();
    for known in ["basic eDp5", ""] {
        source.authorization.0 = known.to_owned();
        let refused = asker.sources.git(&source, None).await.err().unwrap();
        assert!(!refused.contains("eDp5"), "{refused}");
        let asked = server.asked();
        assert!(!asked.is_empty());
        let told = asked.iter().all(|line| line.ends_with(&format!(" as {known}")));
        let silent = asked.iter().all(|line| !line.contains(" as "));
        assert!(if known.is_empty() { silent } else { told }, "{asked:?}");
    }
}

/// What a server's own redirect leads to is another server, and who asks is none of its business.
#[tokio::test]
async fn a_server_that_redirects_gives_no_secret_away() {
    let asker = Asker::new();
    let other = Server::start(|_| None);
    let address = other.address.clone();
    let server =
        Server::start(move |path| Some((302, vec![("location", format!("{address}{path}"))], Vec::new())));
    let mut source = GitSource::parse(&format!("{}/private.git", server.address))
        .unwrap()
        .unwrap();
    source.authorization.0 = "basic eDp5".to_owned();
    asker.sources.git(&source, None).await.err().unwrap();
    assert!(!server.asked().is_empty());
    assert_eq!(other.asked(), [] as [String; 0]);
    source.authorization.0.clear();
    asker.sources.git(&source, None).await.err().unwrap();
    assert!(!other.asked().is_empty(), "whoever has nothing to lose follows");
}

/// Where the daemon is root, git is not; what comes of it is the daemon's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_is_nobody_and_its_files_are_taken_back() {
    use std::os::unix::fs::MetadataExt as _;
    let owner = |path: &Path| std::fs::symlink_metadata(path).unwrap().uid();
    let remote = remote("sha1");
    let asker = Asker::new();
    let us = owner(asker.directory.path());
    let git = if us == 0 { 65534 } else { us };
    let found = asker
        .repository(&format!("{}?keep-git-dir=1", remote.url))
        .await
        .unwrap();
    for below in ["", "foo", ".git", ".git/HEAD"] {
        assert_eq!(owner(&found.directory.join(below)), us, "{below}");
    }
    let kept = asker.kept().join("git");
    let bare = std::fs::read_dir(&kept)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let bare: Vec<_> = bare.filter(|path| path.join("ready").exists()).collect();
    for below in ["", "HEAD", "objects", "config"] {
        assert_eq!(owner(&bare[0].join(below)), git, "{below}");
    }
}
