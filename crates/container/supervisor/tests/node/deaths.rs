//! The death of the daemon, and the replacement of the supervisor's image.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{SealFlags, StatVfsMountFlags};
use supervisor::protocol::{Name, Reply, Request, Role, Stdio};
use sys::pidfd::Pid;

use crate::fixture::*;
use crate::watch::Watch;

#[test]
fn a_daemon_that_dies_loses_no_line_and_no_exit() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 3";
    started(
        daemon
            .call(&start("a", script, NO_INPUT, node.log("log")), &[])
            .unwrap(),
    );
    drop(daemon);
    let mut daemon = node.daemon();
    // Either it has ended before, or the new daemon is told.
    let record = match daemon.call(&Request::Exits { after: 0 }, &[]).unwrap().0 {
        Reply::ExitList { mut records, .. } if !records.is_empty() => records.remove(0),
        _ => exited(&mut daemon),
    };
    assert_eq!(record.outcome, code(3));
    assert_eq!(
        node.lines("log"),
        (0..2000)
            .map(|number| format!("line {number}"))
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_daemon_that_dies_is_started_again_with_a_new_connection() {
    // A daemon that writes its id and lives until it is killed.
    let directory = tempfile::tempdir().unwrap();
    let (ids, mut watch) = (directory.path().join("ids"), Watch::new(directory.path()));
    let script = format!(
        "[ -S /proc/self/fd/3 ] && echo $$ >> {}; exec sleep 1000",
        ids.display()
    );
    let _node = Node::start(&["/bin/sh", "-c", &script]);
    for number in 0..2 {
        let id = watch.until(|| {
            let text = std::fs::read_to_string(&ids).unwrap_or_default();
            let line = text.split_inclusive('\n').nth(number)?;
            line.strip_suffix('\n')?.parse().ok()
        });
        let pidfd = sys::pidfd::open(Pid::from_raw(id).unwrap()).unwrap();
        sys::pidfd::signal(&pidfd, 9).unwrap();
    }
}

#[test]
fn a_re_exec_loses_and_doubles_nothing() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let script =
        "i=0; while [ ! -e \"$STOP\" ] && [ $i -lt 200000 ]; do echo line $i; i=$((i+1)); done; exit 5";
    let script = script.replace("$STOP", node.path("stop").to_str().unwrap());
    let (pid, ..) = started(
        daemon
            .call(&start("a", &script, PIPES, node.log("log")), &[])
            .unwrap(),
    );
    let (held, _keep) = std::os::unix::net::UnixStream::pair().unwrap();
    let name: Name = "netns".parse().unwrap();
    let held: [BorrowedFd<'_>; 1] = [held.as_fd()];
    assert_eq!(
        daemon
            .call(&Request::Hold { name: name.clone() }, &held)
            .unwrap()
            .0,
        Reply::Done {}
    );
    for _ in 0..5 {
        done(&mut daemon, &Request::Reexec { executable: None });
        assert_eq!(entries(&mut daemon)[0].0.pid, pid);
    }
    // An executable that is not there changes nothing.
    let failed = daemon
        .call(
            &Request::Reexec {
                executable: Some("/nonexistent".into()),
            },
            &[],
        )
        .unwrap()
        .0;
    assert!(matches!(failed, Reply::Failed { errno: 2, .. }), "{failed:?}");
    assert_eq!(daemon.call(&Request::Retrieve { name }, &[]).unwrap().1.len(), 1);
    std::fs::write(node.path("stop"), "").unwrap();
    let record = exited(&mut daemon);
    assert_eq!(record.outcome, code(5));
    let lines = node.lines("log");
    assert!(lines.len() > 1, "it logged while the image was replaced");
    assert_eq!(record.log.entries, lines.len() as u64);
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("line {number}"));
    }
}

/// Whether a process that got at the supervisor's executable could write to it (CVE-2019-5736).
fn runs_sealed(node: &Node) -> bool {
    let executable = File::open(node.executable()).unwrap();
    let flags = rustix::fs::fstatvfs(&executable).unwrap().f_flag;
    let seals = rustix::fs::fcntl_get_seals(&executable).unwrap_or(SealFlags::empty());
    flags.contains(StatVfsMountFlags::RDONLY) || seals.contains(SealFlags::WRITE)
}

#[test]
fn every_image_runs_sealed_and_a_new_one_is_the_file_that_was_named() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    assert!(runs_sealed(&node));
    done(&mut daemon, &Request::Reexec { executable: None });
    assert!(runs_sealed(&node));
    let upgrade = node.path("upgrade");
    // The same program, told apart by a byte behind its end.
    let mut bytes = std::fs::read(node.executable()).unwrap();
    bytes.push(0);
    std::fs::write(&upgrade, &bytes).unwrap();
    std::fs::set_permissions(&upgrade, PermissionsExt::from_mode(0o755)).unwrap();
    let executable = Some(upgrade.as_os_str().as_bytes().into());
    done(&mut daemon, &Request::Reexec { executable });
    assert!(runs_sealed(&node));
    assert!(std::fs::read(node.executable()).unwrap() == bytes);
    started(
        daemon
            .call(&start("a", "exit 5", Stdio::Null {}, None), &[])
            .unwrap(),
    );
    assert_eq!(exited(&mut daemon).outcome, code(5));
}

#[test]
fn what_runs_as_the_daemon_can_be_set_at_once_and_for_its_next_start() {
    let node = Node::start(&[]);
    let (mut operator, mut watch) = (node.connect(Role::Operator {}), node.watch());
    let at = node.path("ids").display().to_string();
    let mut set = |name: &str| {
        let script = format!("echo {name} $$ $VARIABLE >> {at}; exec sleep 1000");
        let arguments = ["/bin/sh", "-c", &script].map(Into::into).to_vec();
        let environment = vec!["PATH=/usr/bin:/bin".into(), "VARIABLE=set".into()];
        let request = Request::SetDaemon {
            arguments,
            environment,
        };
        done(&mut operator, &request);
    };
    let mut nth = |number| {
        watch.until(|| {
            let text = std::fs::read_to_string(&at).unwrap_or_default();
            let line = text.split_inclusive('\n').nth(number)?.strip_suffix('\n')?;
            let fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
            Some(fields)
        })
    };
    set("first");
    let first = nth(0);
    assert_eq!((&*first[0], &*first[2]), ("first", "set"));
    set("second");
    let pid = Pid::from_raw(first[1].parse().unwrap()).unwrap();
    sys::pidfd::signal(sys::pidfd::open(pid).unwrap(), 9).unwrap();
    assert_eq!(nth(1)[0], "second");
}
