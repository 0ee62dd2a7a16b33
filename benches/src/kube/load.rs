//! Many connections that each ask one thing after the other, for a while.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::task::JoinSet;

use super::client::{Connection, Protocol, Target};
use super::lane::Lane;

/// Who asks, and for how long.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) protocol: Protocol,
    pub(super) connections: usize,
    /// Requests under way on each connection; one for HTTP/1.1.
    pub(super) streams: usize,
    pub(super) lasts: Duration,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Figures {
    /// From a request to the end of its answer, sorted.
    times: Vec<Duration>,
    pub(super) bytes: usize,
    pub(super) elapsed: Duration,
}

impl Figures {
    pub(super) fn requests(&self) -> usize {
        self.times.len()
    }

    pub(super) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The time that so many of a thousand requests did not exceed.
    pub(super) fn at(&self, thousandth: usize) -> Duration {
        let last = self.times.len().saturating_sub(1);
        self.times
            .get((self.times.len() * thousandth / 1000).min(last))
            .copied()
            .unwrap_or_default()
    }
}

/// What the n-th request is.
pub(super) type Make = Arc<dyn Fn(u64) -> Request<Bytes> + Send + Sync>;

impl Load {
    /// Connects first, then asks; an answer that is not 2xx ends it.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(super) async fn run(self, target: &Target, make: &Make) -> io::Result<Figures> {
        let mut lanes = Vec::new();
        for _ in 0..self.connections {
            lanes.extend(self.lanes(target).await?);
        }
        let (count, begin) = (lanes.len() as u64, Instant::now());
        let mut asking = JoinSet::new();
        for (lane, connection) in (0_u64..).zip(lanes) {
            asking.spawn(ask(connection, make.clone(), (lane, count), begin + self.lasts));
        }
        let mut all = Figures::default();
        while let Some(one) = asking.join_next().await {
            let one = one.map_err(io::Error::other)??;
            all.times.extend(one.times);
            all.bytes += one.bytes;
        }
        all.elapsed = begin.elapsed();
        all.times.sort_unstable();
        Ok(all)
    }
}

impl Load {
    /// One more connection, as its streams.
    async fn lanes(self, target: &Target) -> io::Result<Vec<Asking>> {
        if self.protocol == Protocol::Http1 {
            return Ok(vec![Asking::Lane(Lane::new(target.stream(self.protocol).await?))]);
        }
        let connection = target.connect(self.protocol).await?;
        let more = (1..self.streams).filter_map(|_| connection.stream());
        let more: Vec<Asking> = more.map(Asking::Stream).collect();
        Ok(more.into_iter().chain([Asking::Stream(connection)]).collect())
    }
}

/// Who asks one thing after the other.
enum Asking {
    Lane(Lane),
    Stream(Connection),
}

impl Asking {
    async fn call(&mut self, request: Request<Bytes>) -> io::Result<(StatusCode, usize)> {
        match self {
            Self::Lane(lane) => lane.call(&request).await,
            Self::Stream(connection) => connection.call(request).await,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn ask(
    mut connection: Asking,
    make: Make,
    (mut next, step): (u64, u64),
    end: Instant,
) -> io::Result<Figures> {
    let mut figures = Figures::default();
    loop {
        let begin = Instant::now();
        if begin >= end {
            return Ok(figures);
        }
        let (status, bytes) = connection.call(make(next)).await?;
        if !status.is_success() {
            return Err(io::Error::other(format!("request {next}: {status}")));
        }
        figures.times.push(begin.elapsed());
        figures.bytes += bytes;
        next += step;
    }
}
