//! A watch: one event after the other, as they come.

use std::io;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::kube::client::{Protocol, Target};

pub(super) struct Watch {
    body: Incoming,
    read: Vec<u8>,
}

impl Watch {
    /// Opens one, on a connection of its own, from now on.
    pub(super) async fn open(target: &Target, path: &str) -> io::Result<Self> {
        let mut connection = target.connect(Protocol::Http1).await?;
        let list = connection
            .ask(target.request("GET", &format!("{path}?limit=1"), ""))
            .await?;
        let from = list["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        let path = format!("{path}?watch=1&resourceVersion={from}");
        let answer = connection.send(target.request("GET", &path, "")).await?;
        Ok(Self {
            body: answer.into_body(),
            read: Vec::new(),
        })
    }

    /// The next event: its type, and the object as it then was.
    pub(super) async fn next(&mut self) -> io::Result<(String, Value)> {
        let mut event: Value = serde_json::from_slice(&self.line().await?)?;
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        match &*kind {
            "ERROR" => Err(io::Error::other(format!("the watch: {}", event["object"]))),
            _ => Ok((kind, event["object"].take())),
        }
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(end + 1);
                return Ok(std::mem::replace(&mut self.read, rest));
            }
            let frame = self.body.frame().await.ok_or(io::ErrorKind::UnexpectedEof)?;
            let frame = frame.map_err(io::Error::other)?;
            self.read.extend(frame.data_ref().into_iter().flatten());
        }
    }
}
