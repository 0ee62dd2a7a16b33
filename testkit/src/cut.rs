//! Starts that a daemon asked the supervisor for and did not live to hear of.

use supervisor::client::Client;
use supervisor::protocol::{Event, Key, Owner, Phase, Reply, Request, Role, Start, Stdio};
use sys::program::{Builder, Op, Slot};

use crate::node::Node;

/// Where a start is held up.
const POINT: u32 = 7;

/// How far the start of a process came before its daemon died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The process runs its program.
    Running,
    /// It has ended, and that was not told either.
    Ended,
    /// It is on its way to its program, until [`Node::go_on`].
    Starting,
}

impl Node {
    /// Begins the first life of a container as a daemon does that dies before it enters it: `script` runs in a shell.
    /// There must be no daemon. Answers the process's id.
    ///
    /// # Panics
    /// It does not come so far.
    #[must_use]
    pub fn cut_start(&self, id: &str, script: &str, cut: Cut) -> u32 {
        let socket = self.path("supervisor.sock");
        let mut daemon = Client::connect(&socket, Role::Daemon {}).expect("the supervisor answers");
        let start = Start {
            key: key(id),
            namespaces: 0,
            stdio: Stdio::Null {},
            owner: Owner::default(),
            log: None,
            attach: false,
            cgroup: false,
            program: Some(program(script, cut == Cut::Starting).into()),
        };
        daemon.send(&Request::Start { start }, &[]).expect("it is sent");
        match cut {
            Cut::Starting => assert!(matches!(daemon.event(), Ok(Event::Synced { .. }))),
            Cut::Ended => assert!(matches!(daemon.event(), Ok(Event::Exited { .. }))),
            Cut::Running => {}
        }
        loop {
            let (reply, _) = daemon
                .call(&Request::NextEntry { after: None }, &[])
                .expect("it answers");
            match reply {
                Reply::Entry { entry } if entry.phase != (Phase::Starting { point: None }) => {
                    return entry.pid;
                }
                _ => {}
            }
        }
    }

    /// Lets a start go on that was held up.
    ///
    /// # Panics
    /// It is not held up.
    pub fn go_on(&self, id: &str) {
        let socket = self.path("supervisor.sock");
        let mut operator = Client::connect(&socket, Role::Operator {}).expect("the supervisor answers");
        let key = key(id);
        let (reply, _) = operator
            .call(&Request::Continue { key, point: POINT }, &[])
            .expect("it answers");
        assert_eq!(reply, Reply::Done {});
    }
}

fn key(id: &str) -> Key {
    Key::main(id.parse().expect("an id"), 1)
}

fn program(script: &str, held_up: bool) -> Vec<u8> {
    let mut builder = Builder::new(3);
    builder.push(Op::Setsid {});
    if held_up {
        builder.push(Op::Sync { code: POINT });
    }
    for number in 0..3 {
        builder.push(Op::Dup {
            from: Slot(number),
            to: number.into(),
        });
    }
    let (name, search) = (builder.text("/bin/sh"), builder.text(""));
    let arguments = builder.texts(["sh", "-c", script]);
    let environment = builder.texts(["PATH=/usr/bin:/bin"]);
    builder.push(Op::Lookup { name, search }).push(Op::Exec {
        arguments,
        environment,
    });
    builder.finish().expect("it is a program").as_bytes().to_vec()
}
