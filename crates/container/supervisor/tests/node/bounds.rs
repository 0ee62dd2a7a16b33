//! What is bounded: descriptors, memory, connections; and who may connect.

use supervisor::protocol::Request;

use crate::fixture::*;

#[test]
fn two_hundred_containers_leave_descriptors_and_memory_flat() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    println!("PSS of an idle supervisor: {} KiB", node.memory("Pss:"));
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
