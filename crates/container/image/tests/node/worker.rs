//! The worker as a process of its own, confined: this test binary started again.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use image::archive::{Interest, Terms, Unpack, Wanted};
use image::{Digest, WorkerJob, Workers};
use sys::launch::{Event, Launch, launch, next};
use sys::pidfd;
use sys::program::{Builder, Op, Program, Slot};

use super::support::{Node, archive, memory, mounted, tar};

const JOB: &str = "GANTRY_TEST_WORKER_JOB";

/// Starts this binary, as the supervisor starts a worker, with only [`the_worker_itself`] to run.
struct Forked;

impl Workers for Forked {
    fn run(&self, job: WorkerJob<'_>) -> io::Result<ExitStatus> {
        let me = std::env::current_exe()?;
        let arguments = [
            me.to_str().unwrap(),
            "--exact",
            "node::worker::the_worker_itself",
            "--nocapture",
            "--test-threads=1",
        ];
        let part = format!("{JOB}={}", job.arguments[0].to_str().unwrap());
        let program = program(&arguments, &part, job.descriptors.len());
        // The init program owns each of its slots, so none may be given twice.
        let owned: io::Result<Vec<_>> = job.descriptors.iter().map(|fd| fd.try_clone_to_owned()).collect();
        let owned = owned?;
        let slots: Vec<_> = owned.iter().map(AsFd::as_fd).collect();
        let launched = launch(&Launch {
            program: &program,
            slots: &slots,
            namespaces: 0,
            inherit: 3,
            cgroup: None,
        })?;
        while !matches!(next(&launched.channel)?, Event::Started) {}
        let mut readable = [rustix::event::PollFd::new(
            &launched.pidfd,
            rustix::event::PollFlags::IN,
        )];
        rustix::event::poll(&mut readable, None)?;
        let status = pidfd::reap(&launched.pidfd)?.unwrap();
        Ok(ExitStatus::from_raw(status.to_wait()))
    }
}

fn program(arguments: &[&str], variable: &str, descriptors: usize) -> Program {
    let count = u8::try_from(descriptors).unwrap();
    let mut builder = Builder::new(count);
    for number in 0..count {
        builder.push(Op::Dup {
            from: Slot(number),
            to: number.into(),
        });
    }
    builder.push(Op::CloseFrom {
        first: count.into(),
        keep: Slot::NONE,
    });
    let (name, search) = (builder.text(arguments[0]), builder.text(""));
    let arguments = builder.texts(arguments);
    let environment = builder.texts([variable]);
    builder.push(Op::Lookup { name, search }).push(Op::Exec {
        arguments,
        environment,
    });
    builder.finish().unwrap()
}

/// Not a test by itself: what the process started above does.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is how a test is told its part"
)]
fn the_worker_itself() {
    if let Some(job) = std::env::var_os(JOB) {
        let code = image::worker_main(&[job]);
        std::process::exit(code.into());
    }
}

#[test]
fn a_confined_worker_does_what_an_unconfined_one_does() {
    let bottom = tar(&["a/", "a/one = 1", "b = 2", "c -> a/one", "d => b"]);
    let top = tar(&["a/", "a/.wh..wh..opq", "a/two = 2", ".wh.b"]);
    let mut device = tar::Builder::new(Vec::new());
    let mut null = super::support::header(tar::EntryType::Char);
    null.set_device_major(1).unwrap();
    null.set_device_minor(3).unwrap();
    null.set_uid(5);
    super::support::raw(&mut device, null, "null", "", b"");
    let device = device.into_inner().unwrap();
    let archive = archive(&["x:1"], &[&bottom, &top, &device]);
    let show = |node: &Node| {
        let id: Digest = node.load_one(&archive);
        mounted(&node.images.view(&id).unwrap())
    };
    let confined = show(&Node::with(memory(), Arc::new(Forked)));
    let plain = show(&Node::new());
    assert_eq!(
        confined.keys().collect::<Vec<_>>(),
        plain.keys().collect::<Vec<_>>()
    );
    assert_eq!(confined, plain);
}

#[test]
fn a_confined_worker_refuses_in_the_same_words() {
    let node = Node::with(memory(), Arc::new(Forked));
    let error = node.load(&archive(&[], &[&tar(&["../x = 1"])])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid archive: \"../x\": the name leads out of the archive"
    );
    node.reopen().assert_empty();
}

/// `docker cp`: the root of the worker is a mount that is attached nowhere.
#[test]
fn a_confined_worker_unpacks_into_a_mounted_snapshot() {
    let node = Node::with(memory(), Arc::new(Forked));
    let rootfs = node.images.prepare("c", None).unwrap();
    let mounted = rootfs.mount().unwrap();
    let options = Unpack {
        limits: image::Limits::default(),
        ..Default::default()
    };
    let archive = tar(&["a = 1", "link -> /a", "b/", "b/hard => a"]);
    let totals = node
        .images
        .unpack(mounted.as_fd(), Path::new("to"), &mut &*archive, &options);
    assert_eq!(totals.unwrap().entries, 4);
    assert_eq!(
        super::support::names(&rootfs),
        ["/to", "/to/a", "/to/b", "/to/b/hard", "/to/link"]
    );
}

/// A hole in the middle, and one at the end.
#[test]
fn a_confined_worker_leaves_holes_where_an_archive_has_them() {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};
    let mut builder = tar::Builder::new(Vec::new());
    let said = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "holes"),
        ("GNU.sparse.realsize", "67108864"),
    ];
    let said = said.map(|(key, value)| (key, value.as_bytes()));
    builder.append_pax_extensions(said).unwrap();
    let mut content = b"2\n0\n1\n33554432\n1\n".to_vec();
    content.resize(512, 0);
    content.extend(b"ab");
    let file = super::support::header(tar::EntryType::Regular);
    super::support::raw(&mut builder, file, "x", "", &content);
    let archive = builder.into_inner().unwrap();
    let node = Node::with(memory(), Arc::new(Forked));
    let directory = tempfile::tempdir().unwrap();
    let root = File::open(directory.path()).unwrap();
    let totals = node
        .images
        .unpack(root.as_fd(), Path::new("/"), &mut &*archive, &Unpack::default());
    assert_eq!(totals.unwrap().bytes, 64 << 20);
    let file = File::open(directory.path().join("holes")).unwrap();
    let about = file.metadata().unwrap();
    assert_eq!(about.len(), 64 << 20);
    assert!(about.blocks() * 512 < 1 << 20, "{}", about.blocks());
    let mut around = [1; 3];
    file.read_exact_at(&mut around, (32 << 20) - 1).unwrap();
    assert_eq!(&around, b"\0b\0");
    file.read_exact_at(&mut around, 0).unwrap();
    assert_eq!(&around, b"a\0\0");
}

/// Whoever asked for it leaves once it has begun, and it has no end of its own.
#[test]
fn unpacking_ends_when_nobody_wants_it_or_the_disk_has_too_little_left() {
    struct Endless(Vec<u8>, Option<Interest>);
    impl io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                self.1 = None;
                buffer.fill(0);
                return Ok(buffer.len());
            }
            let count = buffer.len().min(self.0.len());
            self.0
                .drain(..count)
                .zip(buffer)
                .for_each(|(from, to)| *to = from);
            Ok(count)
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let root = File::open(directory.path()).unwrap();
    let workers: [Arc<dyn Workers>; 2] = [Arc::new(Forked), Arc::new(image::Inline)];
    for workers in workers {
        let node = Node::with(memory(), workers);
        let unpack = |wanted: Wanted, spare, archive: &mut dyn io::Read| {
            let terms = Terms { wanted, spare };
            let how = (&Unpack::default(), &terms);
            node.images
                .unpack_on(root.as_fd(), Path::new("/"), archive, how)
                .map_err(|error| std::error::Error::source(&error).unwrap().to_string())
        };
        let interest = Interest::default();
        let wanted = interest.wanted();
        let mut archive = Endless(tar(&["a = 1"]), Some(interest));
        let ended = unpack(wanted.clone(), 0, &mut archive).unwrap_err();
        assert!(ended.contains("nobody wants it any more"), "{ended}");
        std::fs::remove_file(directory.path().join("a")).unwrap();
        unpack(wanted, 0, &mut &*tar(&["b = 1"])).unwrap_err();
        let full = unpack(Wanted::default(), u64::MAX, &mut &*tar(&["b = 1"])).unwrap_err();
        assert!(full.contains("No space left on device"), "{full}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_worker_that_is_started_wrongly_says_so() {
    struct Silent;
    impl Workers for Silent {
        fn run(&self, _: WorkerJob<'_>) -> io::Result<ExitStatus> {
            Command::new("false").status()
        }
    }
    let node = Node::with(memory(), Arc::new(Silent));
    let error = node.load(&archive(&[], &[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unpacking failed: the worker ended with exit status: 1: "
    );
    assert_eq!(image::worker_main(&[]), 2);
}
