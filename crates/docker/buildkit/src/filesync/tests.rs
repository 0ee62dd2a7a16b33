use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use super::receive::Received;
use super::*;
use crate::grpc::{Code, Status};
use crate::proto::fsutil::Stat;
use crate::session::Sessions;
use crate::testing::{Client, Fault, file, stat};

const DIRECTORY: u32 = 1 << 31 | 0o755;
const SYMLINK: u32 = 1 << 27 | 0o777;

fn files() -> Vec<(Stat, Vec<u8>)> {
    let link = |path: &str, mode: u32, target: &str| Stat {
        linkname: target.to_owned(),
        ..stat(path, mode, 0, 1)
    };
    let long = "n".repeat(200);
    vec![
        file("a", "alpha", 1_000_000_007),
        file("b", "bravo bravo", 5),
        (stat("d", DIRECTORY, 0, 1), Vec::new()),
        file(&format!("d/{long}"), "long", 1),
        (link("d/hard", 0o644, "a"), Vec::new()),
        (link("d/soft", SYMLINK, "../b"), Vec::new()),
        file("empty", "", 1),
        (stat("set", 1 << 23 | 0o755, 3, 1), b"uid".to_vec()),
    ]
}

fn client(files: Vec<(Stat, Vec<u8>)>, fault: Fault) -> Arc<Client> {
    Arc::new(Client {
        files: BTreeMap::from([("context", files)]),
        fault,
        ..Client::default()
    })
}

async fn fetch(client: &Arc<Client>, known: Option<&Arc<Archive>>) -> Result<Received, Status> {
    let sessions = Arc::new(Sessions::default());
    let (session, _connection) = client.open(&sessions, "s").await;
    let wanted = Wanted {
        directory: "context".to_owned(),
        exclude: vec!["**/tmp".to_owned(), "ü".to_owned()],
        ..Wanted::default()
    };
    receive(&session, &wanted, known, &tempfile::tempfile).await
}

/// Names, kinds, modes and contents, as a tar reader sees them.
fn listed(archive: &Archive) -> Vec<String> {
    use std::io::Seek as _;
    let mut file = archive.file().unwrap();
    file.rewind().unwrap();
    let mut reader = tar::Archive::new(file);
    let mut lines = Vec::new();
    for entry in reader.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let path = entry.path().unwrap().display().to_string();
        let short = if path.len() > 100 {
            format!("{}…", &path[..4])
        } else {
            path
        };
        let link = entry
            .link_name()
            .unwrap()
            .map(|link| link.display().to_string())
            .unwrap_or_default();
        let (kind, mode) = (entry.header().entry_type(), entry.header().mode().unwrap());
        lines.push(format!("{short} {kind:?} {mode:o} {link}{text}"));
    }
    lines
}

#[tokio::test]
async fn files_become_an_archive() {
    let client = client(files(), Fault::None);
    let received = fetch(&client, None).await.unwrap();
    assert_eq!(received.transferred, 5 + 11 + 4 + 3);
    assert_eq!(
        listed(&received.archive),
        [
            "a Regular 644 alpha",
            "b Regular 644 bravo bravo",
            "d Directory 755 ",
            "d/nn… Regular 644 long",
            "d/hard Link 644 a",
            "d/soft Symlink 777 ../b",
            "empty Regular 644 ",
            "set Regular 4755 uid",
        ]
    );
    let metadata = client.metadata.lock().unwrap()[0].clone();
    let excluded: Vec<_> = metadata.get_all("exclude-patterns").iter().collect();
    assert_eq!(excluded, ["%2A%2A%2Ftmp", "%C3%BC"]);
    assert_eq!(metadata["exclude-patterns-encoded"], "1");
    assert_eq!(
        received.archive.read("d/soft", 100).unwrap().unwrap(),
        b"bravo bravo"
    );
    assert_eq!(received.archive.read("d/hard", 100).unwrap().unwrap(), b"alpha");
    assert!(received.archive.read("b", 3).is_err());
    assert_eq!(received.archive.read("../a", 100).unwrap(), None);
}

#[tokio::test]
async fn only_what_has_changed_is_asked_for_again() {
    let first = fetch(&client(files(), Fault::None), None).await.unwrap();
    let mut changed = files();
    changed[1] = file("b", "bravo BRAVO", 6);
    changed.push(file("z", "new", 1));
    let client = client(changed, Fault::None);
    let second = fetch(&client, Some(&first.archive)).await.unwrap();
    assert_eq!(*client.asked.lock().unwrap(), ["b", "z"]);
    assert_eq!(second.transferred, 14);
    assert_eq!(second.archive.read("a", 100).unwrap().unwrap(), b"alpha");
    assert_eq!(second.archive.read("b", 100).unwrap().unwrap(), b"bravo BRAVO");
    assert_eq!(listed(&second.archive).len(), 9);
}

#[tokio::test]
async fn where_nothing_has_changed_the_archive_is_the_same() {
    let first = fetch(&client(files(), Fault::None), None).await.unwrap();
    let client_again = client(files(), Fault::None);
    let second = fetch(&client_again, Some(&first.archive)).await.unwrap();
    assert!(Arc::ptr_eq(&first.archive, &second.archive));
    assert_eq!(
        (second.transferred, client_again.asked.lock().unwrap().len()),
        (0, 0)
    );
    // A mode is as good a change as a content, though nothing has to be asked for.
    let mut changed = files();
    changed[0].0.mode |= 0o111;
    let third = fetch(&client(changed, Fault::None), Some(&second.archive))
        .await
        .unwrap();
    assert!(!Arc::ptr_eq(&third.archive, &second.archive));
    assert_eq!(listed(&third.archive)[0], "a Regular 755 alpha");
    assert_eq!(third.transferred, 0);
}

#[tokio::test]
async fn many_files_come_with_few_requests_at_once() {
    let many = (0..500)
        .map(|number| file(&format!("f{number}"), "some text", 1))
        .collect();
    let received = fetch(&client(many, Fault::None), None).await.unwrap();
    assert_eq!(received.transferred, 500 * 9);
}

#[tokio::test]
async fn a_client_that_misbehaves_is_refused() {
    for (fault, code, sentence) in [
        (
            Fault::Short,
            Code::Aborted,
            "a file has shrunk while the client sent it",
        ),
        (
            Fault::Unasked,
            Code::InvalidArgument,
            "the client sent PacketData out of order",
        ),
        (Fault::Error, Code::Unknown, "error from sender: disk on fire"),
    ] {
        let failed = fetch(&client(files(), fault), None).await.unwrap_err();
        assert_eq!(failed, Status::new(code, sentence), "{fault:?}");
    }
    let received = fetch(&client(files(), Fault::Long), None).await.unwrap();
    assert_eq!(received.archive.read("a", 100).unwrap().unwrap(), b"alpha");
}

#[tokio::test]
async fn a_path_that_leads_out_is_refused() {
    for path in ["../x", "a/../../x", "", ".", "a//b", "a/", "//etc"] {
        let failed = fetch(&client(vec![file(path, "x", 1)], Fault::None), None)
            .await
            .unwrap_err();
        assert_eq!(failed.code, Code::InvalidArgument, "{path:?}");
    }
    let negative = stat("a", 0o644, 0, 1);
    let negative = Stat { size: -1, ..negative };
    let failed = fetch(&client(vec![(negative, Vec::new())], Fault::None), None)
        .await
        .unwrap_err();
    assert_eq!(failed.code, Code::ResourceExhausted);
}

#[test]
fn the_oldest_archives_go() {
    let kept = Kept::default();
    let archive = || Arc::new(Archive::new(tempfile::tempfile().unwrap()));
    for number in 0..MAX_KEPT + 1 {
        kept.put(number.to_string(), archive());
        // Asked for, so it is not the oldest.
        kept.get("0").unwrap();
    }
    assert!(kept.get("1").is_none());
    assert!(kept.get("0").is_some() && kept.get("2").is_some());
}
