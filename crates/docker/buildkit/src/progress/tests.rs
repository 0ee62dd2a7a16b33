use driver::ManualClock;

use super::*;

#[tokio::test]
async fn whoever_asks_late_hears_everything() {
    let progress = Progress::new("b", Arc::new(ManualClock::new()));
    let step = progress.begin("[1/1] RUN x");
    step.output(2, b"oops");
    step.part("part", 1, 2, false);
    step.done(true);
    drop(progress.begin("dropped"));
    progress.end();
    let messages = progress.after(0).await;
    assert_eq!(messages.len(), 6);
    assert_eq!(messages[1].logs[0].stream, 2);
    assert!(messages[3].vertexes[0].cached && messages[3].vertexes[0].completed.is_some());
    assert_eq!(messages[5].vertexes[0].error, "context canceled");
    assert_ne!(messages[0].vertexes[0].digest, messages[5].vertexes[0].digest);
    assert_eq!(progress.after(6).await, []);
    let counts = progress.counts();
    assert_eq!((counts.vertices, counts.completed, counts.cached), (2, 2, 1));
}

#[tokio::test]
async fn endless_output_is_clipped() {
    let progress = Progress::new("b", Arc::new(ManualClock::new()));
    let step = progress.begin("yes");
    for _ in 0..100 {
        step.output(1, &[b'y'; 64 << 10]);
    }
    step.done(false);
    progress.end();
    let messages = progress.after(0).await;
    let bytes: usize = messages
        .iter()
        .flat_map(|message| &message.logs)
        .map(|log| log.msg.len())
        .sum();
    assert!(bytes < MAX_STEP_OUTPUT + 100, "{bytes}");
    assert!(messages.iter().any(|message| {
        message
            .logs
            .iter()
            .any(|log| log.msg.starts_with(b"\n[output clipped"))
    }));
}
