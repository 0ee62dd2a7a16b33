//! The protocol's suite.

use crate::serve::Served;
use crate::suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_protocol_over_the_nodes_store() {
    let served = Served::open();
    suite::run(&served.remote()).await;
}
