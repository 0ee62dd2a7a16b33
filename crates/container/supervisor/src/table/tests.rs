//! The table under scripted events; no process, no clock.

use std::time::Duration;

use sys::launch;

use super::*;
use crate::protocol::{ExitRecord, LogStats, MAX_MESSAGE, Message, Owner};

const NOW: Duration = Duration::from_secs(1000);
const ENDED: Outcome = Outcome::Ended { wait: 7 << 8 };

fn key(name: &str, generation: u64) -> Key {
    Key::main(name.parse().unwrap(), generation)
}

fn start(key: Key) -> Request {
    let start = Start {
        key,
        namespaces: 0,
        stdio: Stdio::Null {},
        owner: Owner::default(),
        log: None,
        attach: false,
        cgroup: false,
        program: None,
    };
    Request::Start { start }
}

fn worker(name: &str) -> Request {
    let (key, arguments) = (Key::worker(name.parse().unwrap(), 1), vec!["/bin/true".into()]);
    Request::Worker {
        worker: Worker {
            key,
            namespaces: 0,
            arguments,
            environment: vec![],
            cgroup: false,
            deadline: 500,
        },
    }
}

/// A table with a daemon on connection 1.
fn table() -> Table {
    let mut table = Table::new(None);
    greet(&mut table, 1);
    table
}

fn greet(table: &mut Table, connection: Connection) -> Vec<Action> {
    let hello = Request::Hello {
        oldest: OLDEST,
        newest: VERSION + 1,
        role: Role::Daemon {},
        software: "".into(),
    };
    table.request(connection, 1, hello, NOW)
}

/// Starts `key` as process `pid` and answers its number.
fn run(table: &mut Table, key: &Key, pid: u32) -> u64 {
    let actions = table.request(1, 2, start(key.clone()), NOW);
    let Action::Launch(number, _) = actions[0] else {
        panic!("not launched: {actions:?}")
    };
    table.launched(number, pid);
    assert_eq!(
        table.said(number, launch::Event::Started),
        [Action::Grant(1, 2, key.clone())]
    );
    number
}

fn end(table: &mut Table, number: u64, pid: u32) -> ExitRecord {
    assert_eq!(table.reaped(pid, ENDED, NOW, 5), [Action::Drain(number)]);
    match table.drained(number, LogStats::default()).remove(0) {
        Action::Notify(1, Event::Exited { record }) => record,
        other => panic!("no exit was told: {other:?}"),
    }
}

/// The two ways to find a life agree.
fn check_numbers(table: &Table) {
    let by_key = table.lives.iter().map(|(key, life)| (life.number, key.clone()));
    assert_eq!(by_key.collect::<BTreeMap<_, _>>(), table.keys);
}

fn refused(reason: Reason) -> Vec<Action> {
    vec![Action::Reply(1, 2, Reply::Refused { reason })]
}

#[test]
fn nothing_is_answered_before_hello_and_the_newest_daemon_wins() {
    let mut table = table();
    let before = table.request(9, 2, Request::Exits { after: 0 }, NOW);
    assert_eq!(
        before,
        [Action::Reply(
            9,
            2,
            Reply::Refused {
                reason: Reason::NotGreeted {}
            }
        )]
    );
    let second = greet(&mut table, 2);
    assert_eq!(second[0], Action::Notify(1, Event::Superseded {}));
    assert!(matches!(
        second[1],
        Action::Reply(2, 1, Reply::Welcome { version: VERSION, .. })
    ));
    assert_eq!(
        table.request(1, 2, Request::Exits { after: 0 }, NOW),
        refused(Reason::Superseded {})
    );
}

#[test]
fn a_neighbour_without_a_common_version_is_refused() {
    let future = Request::Hello {
        oldest: VERSION + 1,
        newest: VERSION + 2,
        role: Role::Operator {},
        software: "".into(),
    };
    assert_eq!(
        Table::new(None).request(1, 2, future, NOW),
        refused(Reason::Version {})
    );
}

#[test]
fn a_key_lives_once_and_generations_only_grow() {
    let mut table = table();
    let number = run(&mut table, &key("a", 2), 100);
    assert_eq!(
        table.request(1, 2, start(key("a", 2)), NOW),
        [Action::Grant(1, 2, key("a", 2))]
    );
    assert_eq!(
        table.request(1, 2, start(key("a", 1)), NOW),
        refused(Reason::Stale {})
    );
    assert_eq!(
        table.request(1, 2, start(key("a", 3)), NOW),
        refused(Reason::WrongPhase {})
    );
    end(&mut table, number, 100);
    assert_eq!(
        table.request(1, 2, start(key("a", 2)), NOW),
        refused(Reason::WrongPhase {})
    );
    run(&mut table, &key("a", 3), 101);
    assert_eq!(
        table.lives.len(),
        2,
        "the older end waits for its acknowledgement"
    );
}

#[test]
fn an_exit_is_told_after_the_drain_and_kept_until_it_is_acknowledged() {
    let mut table = table();
    let numbers = [
        run(&mut table, &key("a", 1), 100),
        run(&mut table, &key("b", 1), 101),
    ];
    let first = end(&mut table, numbers[1], 101);
    let second = end(&mut table, numbers[0], 100);
    assert_eq!((first.sequence, second.sequence, first.outcome), (1, 2, ENDED));
    let list = |after, records| {
        vec![Action::Reply(1, 2, Reply::ExitList { records, more: false })]
            .into_iter()
            .map(move |it| (after, it))
    };
    for (after, expected) in list(0, vec![first, second.clone()]).chain(list(1, vec![second.clone()])) {
        assert_eq!(table.request(1, 2, Request::Exits { after }, NOW), [expected]);
    }
    let acknowledged = table.request(1, 2, Request::Ack { through: 1 }, NOW);
    assert_eq!(
        acknowledged,
        [Action::Forget(numbers[1]), Action::Reply(1, 2, Reply::Done {})]
    );
    assert_eq!(table.lives.len(), 1);
    check_numbers(&table);
}

#[test]
fn a_full_table_refuses_starts_and_drops_no_exit() {
    let mut table = table();
    for index in 0..MAX_LIVES {
        let number = run(
            &mut table,
            &key(&format!("c{index}"), 1),
            u32::try_from(index).unwrap() + 10,
        );
        end(&mut table, number, u32::try_from(index).unwrap() + 10);
    }
    assert_eq!(
        table.request(1, 2, start(key("more", 1)), NOW),
        refused(Reason::Full {})
    );
    let Action::Reply(_, _, list) = table.request(1, 2, Request::Exits { after: 0 }, NOW).remove(0) else {
        panic!()
    };
    assert!(list.encode(1, 0).len() <= MAX_MESSAGE);
    assert!(matches!(list, Reply::ExitList { records, more: true } if records.len() == RECORDS_IN_REPLY));
}

#[test]
fn a_failed_start_frees_its_key_and_a_moved_process_is_reaped_under_its_new_id() {
    let mut table = table();
    table.request(1, 2, start(key("a", 1)), NOW);
    let failed = table.said(1, launch::Event::Failed { op: 3, errno: 13 });
    let reply = Action::Reply(
        1,
        2,
        Reply::Failed {
            operation: 3,
            errno: 13,
        },
    );
    assert_eq!(failed, [reply, Action::Forget(1)]);
    check_numbers(&table);
    table.request(1, 2, start(key("a", 1)), NOW);
    table.launched(2, 100);
    table.said(2, launch::Event::Moved { pid: 101 });
    assert_eq!(table.reaped(100, ENDED, NOW, 5), []);
    table.said(2, launch::Event::Started);
    assert_eq!(table.reaped(101, ENDED, NOW, 5), [Action::Drain(2)]);
}

#[test]
fn a_process_at_its_start_gate_is_created_and_answers_as_one_that_runs() {
    let mut table = table();
    table.request(1, 2, start(key("a", 1)), NOW);
    table.launched(1, 100);
    let granted = [Action::Grant(1, 2, key("a", 1))];
    assert_eq!(table.said(1, launch::Event::Created), granted);
    assert_eq!(table.find(&key("a", 1)).unwrap().phase, Phase::Created {});
    assert_eq!(table.request(1, 2, start(key("a", 1)), NOW), granted);
    let kill = Request::Signal {
        key: key("a", 1),
        number: SIGKILL,
    };
    assert_eq!(table.request(1, 2, kill, NOW)[0], Action::Signal(1, SIGKILL));
    end(&mut table, 1, 100);
}

#[test]
fn a_sync_point_is_passed_once_and_only_by_its_number() {
    let mut table = table();
    table.request(1, 2, start(key("a", 1)), NOW);
    let synced = Event::Synced {
        key: key("a", 1),
        point: 4,
    };
    assert_eq!(table.said(1, launch::Event::Sync(4)), [Action::Notify(1, synced)]);
    let go = |point| Request::Continue {
        key: key("a", 1),
        point,
    };
    assert_eq!(table.request(1, 2, go(3), NOW), refused(Reason::WrongPhase {}));
    assert_eq!(
        table.request(1, 2, go(4), NOW),
        [Action::Resume(1), Action::Reply(1, 2, Reply::Done {})]
    );
    assert_eq!(table.request(1, 2, go(4), NOW), refused(Reason::WrongPhase {}));
}

#[test]
fn a_worker_dies_with_its_deadline_or_its_asker_and_leaves_no_record() {
    let mut table = table();
    table.request(1, 2, worker("w"), NOW);
    table.launched(1, 100);
    assert_eq!(table.said(1, launch::Event::Started), []);
    assert_eq!(table.wake_at(), Some(NOW + Duration::from_millis(500)));
    assert_eq!(table.tick(NOW), []);
    assert_eq!(
        table.tick(NOW + Duration::from_secs(1)),
        [Action::Signal(1, SIGKILL)]
    );
    assert_eq!(table.wake_at(), None, "it is killed once");
    let done = Action::Reply(1, 2, Reply::WorkerDone { outcome: ENDED });
    assert_eq!(table.reaped(100, ENDED, NOW, 5), [done, Action::Forget(1)]);
    check_numbers(&table);
    table.request(1, 2, worker("w"), NOW);
    assert_eq!(table.closed(1), [Action::Signal(2, SIGKILL)]);
}

#[test]
fn the_daemon_is_restarted_ever_more_slowly_until_it_has_recovered() {
    let mut table = Table::new(Some((vec!["/daemon".into()], vec![])));
    let mut now = NOW;
    assert_eq!(table.tick(now), [Action::StartDaemon]);
    let mut delays = Vec::new();
    for _ in 0..9 {
        table.daemon_started(50, now);
        assert_eq!(table.reaped(50, ENDED, now, 5), []);
        let at = table.wake_at().unwrap();
        delays.push(u64::try_from((at - now).as_millis()).unwrap());
        assert_eq!(table.tick(at - Duration::from_nanos(1)), []);
        now = at;
        assert_eq!(table.tick(now), [Action::StartDaemon]);
    }
    assert_eq!(delays, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    table.daemon_started(50, now);
    table.reaped(50, ENDED, now + HEALTHY, 5);
    assert_eq!(table.wake_at(), Some(now + HEALTHY + Duration::from_millis(100)));
}

#[test]
fn a_daemon_without_a_successor_is_not_restarted_until_there_is_one_again() {
    let mut table = Table::new(Some((vec!["/daemon".into()], vec![])));
    greet(&mut table, 1);
    table.daemon_started(50, NOW);
    let set = |arguments| Request::SetDaemon {
        arguments,
        environment: vec![],
    };
    table.request(1, 2, set(vec![]), NOW);
    table.reaped(50, ENDED, NOW, 5);
    assert_eq!(table.wake_at(), None);
    table.request(1, 3, set(vec!["/daemon".into()]), NOW);
    assert_eq!(table.tick(NOW), [Action::StartDaemon]);
}

#[test]
fn shutdown_ends_the_daemon_then_the_containers_then_answers() {
    let mut table = table();
    table.daemon_started(50, NOW);
    let number = run(&mut table, &key("a", 1), 100);
    let shutdown = Request::Shutdown {
        leftovers: Leftovers::Kill {},
        grace: 10,
    };
    assert_eq!(
        table.request(1, 3, shutdown, NOW),
        [Action::SignalDaemon(SIGTERM)]
    );
    assert_eq!(
        table.request(1, 2, start(key("b", 1)), NOW),
        refused(Reason::Ending {})
    );
    assert_eq!(
        table.tick(NOW + Duration::from_millis(10)),
        [Action::SignalDaemon(SIGKILL)]
    );
    assert_eq!(table.reaped(50, ENDED, NOW, 5), [Action::Signal(number, SIGKILL)]);
    assert_eq!(table.reaped(100, ENDED, NOW, 5), [Action::Drain(number)]);
    let last = table.drained(number, LogStats::default());
    assert_eq!(last[1..], [Action::Reply(1, 3, Reply::Done {}), Action::Exit]);
}

#[test]
fn a_process_that_is_reaped_before_it_is_known_to_have_moved_has_ended() {
    let mut table = table();
    table.request(1, 2, start(key("a", 1)), NOW);
    table.launched(1, 100);
    assert_eq!(table.reaped(101, ENDED, NOW, 5), []);
    assert_eq!(table.said(1, launch::Event::Moved { pid: 101 }), []);
    let started = table.said(1, launch::Event::Started);
    assert_eq!(started, [Action::Grant(1, 2, key("a", 1)), Action::Drain(1)]);
    let record = table.drained(1, LogStats::default()).remove(0);
    assert!(
        matches!(record, Action::Notify(1, Event::Exited { record }) if record.outcome == ENDED && record.at == 5)
    );
}

/// Its first process is slow to exit and keeps the channel open meanwhile.
#[test]
fn a_process_that_is_reaped_before_its_start_is_heard_has_started_and_ended() {
    let mut table = table();
    table.request(1, 2, start(key("a", 1)), NOW);
    table.launched(1, 100);
    table.said(1, launch::Event::Moved { pid: 101 });
    assert_eq!(table.reaped(101, ENDED, NOW, 5), []);
    let started = table.said(1, launch::Event::Started);
    assert_eq!(started, [Action::Grant(1, 2, key("a", 1)), Action::Drain(1)]);
    assert_eq!(table.reaped(100, Outcome::Ended { wait: 0 }, NOW, 6), []);
    let told = table.drained(1, LogStats::default()).remove(0);
    assert!(matches!(told, Action::Notify(1, Event::Exited { record }) if record.outcome == ENDED));
    table.request(1, 3, Request::Ack { through: 1 }, NOW);
    assert!(table.lives.is_empty());
}

/// The first process of each exec leaves an end that nobody claims.
#[test]
fn an_end_of_long_ago_is_not_that_of_a_process_with_the_same_id() {
    let mut table = table();
    for (name, moved) in [("a", 101), ("b", 100)] {
        table.request(1, 2, start(key(name, 1)), NOW);
        let number = table.find(&key(name, 1)).unwrap().number;
        table.launched(number, moved - 1);
        table.said(
            number,
            launch::Event::Moved {
                pid: moved.cast_signed(),
            },
        );
        table.reaped(moved - 1, ENDED, NOW, 5);
        let granted = [Action::Grant(1, 2, key(name, 1))];
        assert_eq!(table.said(number, launch::Event::Started), granted);
    }
}

#[test]
fn ends_that_nobody_claims_are_bounded_and_a_reused_id_is_not_one_of_them() {
    let mut table = table();
    table.reaped(7, ENDED, NOW, 5);
    assert_eq!(table.strays, [], "nothing starts that could claim it");
    table.request(1, 2, start(key("a", 1)), NOW);
    for pid in 100..102 + u32::try_from(MAX_STRAYS).unwrap() {
        table.reaped(pid, ENDED, NOW, 5);
    }
    assert_eq!((table.strays.len(), table.strays[0].pid), (MAX_STRAYS, 102));
    table.launched(1, 102);
    let started = table.said(1, launch::Event::Started);
    assert_eq!(started, [Action::Grant(1, 2, key("a", 1))]);
}

/// A table that was told to end everything while the pump still opened the log of `a`, as number 1.
fn ending_with(request: Request) -> Table {
    let mut table = table();
    table.request(1, 2, request, NOW);
    let shutdown = Request::Shutdown {
        leftovers: Leftovers::Kill {},
        grace: 10,
    };
    assert_eq!(table.request(1, 3, shutdown, NOW), [Action::Signal(1, SIGKILL)]);
    table
}

const OVER: [Action; 2] = [Action::Reply(1, 3, Reply::Done {}), Action::Exit];

#[test]
fn what_comes_to_be_after_the_others_were_killed_is_killed_too() {
    let mut table = ending_with(start(key("a", 1)));
    assert_eq!(table.launched(1, 100), [Action::Signal(1, SIGKILL)]);
    let moved = table.said(1, launch::Event::Moved { pid: 101 });
    assert_eq!(moved, [Action::Signal(1, SIGKILL)]);
    table.said(1, launch::Event::Started);
    assert_eq!(table.reaped(101, ENDED, NOW, 5), [Action::Drain(1)]);
    assert_eq!(table.drained(1, LogStats::default())[1..], OVER);
}

#[test]
fn a_worker_and_a_start_that_fails_may_be_the_last_that_a_shutdown_waits_for() {
    let mut table = ending_with(worker("a"));
    table.launched(1, 100);
    table.said(1, launch::Event::Started);
    assert_eq!(table.reaped(100, ENDED, NOW, 5)[2..], OVER);
    let mut table = ending_with(start(key("a", 1)));
    let failed = table.said(1, launch::Event::Failed { op: 3, errno: 13 });
    assert_eq!(failed[2..], OVER);
}
