//! Looks at how much disk pods take, every ten seconds, while there are pods that may not take all they like.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use crate::limits;
use crate::worker::Event;

/// Upstream's `--eviction-monitor-interval`.
const PERIOD: Duration = Duration::from_secs(10);

/// Runs for as long as the kubelet does. Without such pods it waits for one to come, and there is no timer.
pub(super) async fn run(core: Arc<Core>) {
    loop {
        core.limited_pod_came().await;
        while look(&core).await {
            core.env.sleep(PERIOD).await;
        }
    }
}

/// Looks at all such pods, one after the other; answers whether there are any.
async fn look(core: &Core) -> bool {
    let seats = core.seats();
    let limited = seats.iter().filter(|seat| seat.is_limited());
    let mut any = false;
    for pod in limited.map(|seat| &seat.pod) {
        any = true;
        let usage = core.parts.volumes.usage(&pod.uid).await;
        if let Some(message) = limits::exceeded(pod, &usage) {
            let reason = "Evicted".to_owned();
            core.post(&pod.uid, Event::Evicted { reason, message });
        }
    }
    any
}
