//! The node's own end.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::table::Entry;

/// How long the ends of killed containers may take to be entered.
const DYING: Duration = Duration::from_secs(10);

impl Engine {
    /// Ends this engine. Containers are stopped, all at once, unless they are kept.
    pub async fn close(&self, keep_containers: bool) {
        self.0.closing.send_replace(true);
        for entry in self.0.table.entries() {
            let mut run = entry.run();
            let tasks = [run.restart.take(), run.probes.take()];
            tasks.into_iter().flatten().for_each(|task| task.abort());
        }
        if keep_containers {
            return;
        }
        self.end_all(|engine, entry| async move { engine.stop_for_shutdown(&entry).await })
            .await;
    }

    /// As [`Engine::close`], but containers that have not ended after so long are killed. Whether all ended
    /// in time. The ends of the others are entered too: they say what they ended with and when.
    pub async fn close_within(&self, limit: Duration) -> bool {
        let in_time = tokio::time::timeout(limit, self.close(false)).await.is_ok();
        if !in_time {
            let killed = self.end_all(|engine, entry| async move { engine.kill_for_shutdown(&entry).await });
            if tokio::time::timeout(DYING, killed).await.is_err() {
                tracing::warn!("not every killed container has ended");
            }
        }
        in_time
    }

    /// Ends all containers at once, and clears up behind them.
    async fn end_all<F>(&self, end: impl Fn(Self, Arc<Entry>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let entries = self.0.table.entries().into_iter();
        let ends: Vec<_> = entries
            .map(|entry| tokio::spawn(end(self.clone(), entry)))
            .collect();
        for end in ends {
            // One that panicked has said so.
            let _ = end.await;
        }
        self.0.background.settled().await;
        self.remove_groups();
    }

    /// The groups above those of containers, which are empty now.
    fn remove_groups(&self) {
        let path = format!("/{}", self.0.instance);
        for hierarchy in self.0.layout.v1.iter().chain(&self.0.layout.unified) {
            // One that was never made, or in which somebody else has put something.
            let _ = std::fs::remove_dir(hierarchy.dir(&path));
        }
    }
}
