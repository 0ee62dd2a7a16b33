//! What is bounded: descriptors, memory, connections; and who may connect.

use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use rustix::thread::set_thread_res_uid;
use supervisor::client::Client;
use supervisor::protocol::{Name, Reason, Reply, Request, Role};

use crate::fixture::*;

#[test]
fn two_hundred_containers_leave_descriptors_and_memory_flat() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let (idle, all) = (node.memory("Pss_Anon:"), node.memory("Pss:"));
    println!("anonymous memory of an idle supervisor: {idle} KiB of {all}");
    assert!(idle < 1536, "{idle} KiB");
    let mut round = |prefix: &str| {
        for number in 0..100 {
            let name = format!("{prefix}{number}");
            started(
                daemon
                    .call(&start(&name, "echo x", NO_INPUT, node.log(&name)), &[])
                    .unwrap(),
            );
        }
        let last = (0..100)
            .map(|_| exited(&mut daemon))
            .map(|record| record.sequence)
            .max()
            .unwrap();
        done(&mut daemon, &Request::Ack { through: last });
        // An answer from the pump proves that it has closed what was acknowledged before.
        started(
            daemon
                .call(&start(prefix, "echo x", NO_INPUT, node.log(prefix)), &[])
                .unwrap(),
        );
        let last = exited(&mut daemon).sequence;
        done(&mut daemon, &Request::Ack { through: last });
        // Anonymous only: the share of the executable depends on how many tests run it.
        (node.descriptors(), node.memory("Pss_Anon:"))
    };
    let (warm, again) = (round("a"), round("b"));
    println!("descriptors and anonymous KiB after 100 and 200 containers: {warm:?} {again:?}");
    assert!(again.0 <= warm.0 + 4, "{warm:?} {again:?}");
    assert!(again.1 <= warm.1 + 256, "{warm:?} {again:?}");
}

#[test]
fn descriptors_are_held_by_name_listed_in_order_and_closed_on_release() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let name = |name: &str| -> Name { name.parse().unwrap() };
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut hold = |held: &str, fds: &[_]| daemon.call(&Request::Hold { name: name(held) }, fds).unwrap().0;
    assert_eq!(hold("b", &[theirs.as_fd(), theirs.as_fd()]), Reply::Done {});
    assert_eq!(hold("a", &[theirs.as_fd()]), Reply::Done {});
    let refused = |reason| Reply::Refused { reason };
    assert_eq!(hold("c", &[]), refused(Reason::Descriptors {}));
    drop(theirs);
    let mut next = |after: Option<&str>| {
        let after = after.map(name);
        let (reply, fds) = daemon.call(&Request::NextHeld { after }, &[]).unwrap();
        (reply, fds.len())
    };
    assert_eq!(next(None), (Reply::Held { name: name("a") }, 1));
    assert_eq!(next(Some("a")), (Reply::Held { name: name("b") }, 2));
    assert_eq!(next(Some("aa")), (Reply::Held { name: name("b") }, 2));
    assert_eq!(next(Some("b")), (Reply::End {}, 0));
    for held in ["a", "b"] {
        let release = Request::Release { name: name(held) };
        done(&mut daemon, &release);
        assert_eq!(
            daemon.call(&release, &[]).unwrap().0,
            refused(Reason::NotFound {})
        );
        let retrieve = Request::Retrieve { name: name(held) };
        assert_eq!(
            daemon.call(&retrieve, &[]).unwrap().0,
            refused(Reason::NotFound {})
        );
    }
    assert_eq!(
        ours.read(&mut [0; 1]).unwrap(),
        0,
        "nobody holds the other end any more"
    );
}

#[test]
fn a_connection_beyond_the_limit_is_closed_and_room_is_used_again() {
    let node = Node::start(&[]);
    let mut clients: Vec<Client> = (0..16).map(|_| node.connect(Role::Operator {})).collect();
    let beyond = || Client::connect(&node.path("socket"), Role::Operator {});
    assert!(beyond().is_err());
    clients.pop();
    // The supervisor hears of what happened first first, so its answer says that there is room.
    let list = Request::NextEntry { after: None };
    assert_eq!(clients[0].call(&list, &[]).unwrap().0, Reply::End {});
    assert!(beyond().is_ok());
}

#[test]
fn nobody_but_root_is_heard() {
    const NOBODY: u32 = 65534;
    let node = Node::start(&[]);
    let socket = node.path("socket");
    // The identity is the thread's own; others keep theirs.
    let as_nobody = || {
        let uid = rustix::fs::Uid::from_raw(NOBODY);
        let connect = || {
            set_thread_res_uid(uid, uid, uid).unwrap();
            Client::connect(&socket, Role::Operator {}).map(drop)
        };
        std::thread::scope(|scope| scope.spawn(connect).join().unwrap()).unwrap_err()
    };
    assert_eq!(as_nobody().kind(), ErrorKind::PermissionDenied, "the file's mode");
    let open = |path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    open(socket.parent().unwrap(), 0o755);
    open(&socket, 0o666);
    let cut_off = [
        ErrorKind::BrokenPipe,
        ErrorKind::ConnectionReset,
        ErrorKind::UnexpectedEof,
    ];
    let error = as_nobody();
    assert!(cut_off.contains(&error.kind()), "{error:?}");
    done(&mut node.connect(Role::Operator {}), &Request::Ack { through: 0 });
}
