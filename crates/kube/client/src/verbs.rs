//! The client: one method for each verb.

use std::sync::Arc;

use apiserver::ApiServer;
use auth::UserInfo;
use bytes::Bytes;
use http::Method;

use crate::request::{Asked, JSON, Query, build};
use crate::{
    DeleteOptions, Error, InProcess, List, ListOptions, Object, PatchKind, Place, Transport, Watch,
    WatchOptions, WriteOptions, answer,
};

/// Objects that [`Client::list_all`] asks for at a time, as client-go's pager does.
const PAGE: usize = 500;

/// A client of one server, as one user. Clones share its transport.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    agent: Arc<str>,
}

impl Client {
    /// A client over any transport. `agent` is what it calls itself: `gantry/1.0`.
    pub fn new(transport: Arc<dyn Transport>, agent: &str) -> Self {
        let agent = agent.into();
        Self { transport, agent }
    }

    /// A client of this process's API server, acting as a user.
    pub fn in_process(server: ApiServer, user: UserInfo, agent: &str) -> Self {
        Self::new(Arc::new(InProcess::new(server, user)), agent)
    }

    async fn ask(&self, asked: Asked<'_>) -> Result<Bytes, Error> {
        let request = asked.build(JSON, &self.agent)?;
        answer::read(self.transport.send(request).await?).await
    }

    /// The answer to GET of any path, in a form.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn raw(&self, target: &str, accept: &str) -> Result<Bytes, Error> {
        let request = build(Method::GET, target, accept, &self.agent, None)?;
        answer::read(self.transport.send(request).await?).await
    }

    /// Reads an object.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(&self, place: Place<'_>) -> Result<Object, Error> {
        Ok(Object::new(self.ask(Asked::new(Method::GET, place)).await?))
    }

    /// Reads a collection, or a page of it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list(&self, place: Place<'_>, options: &ListOptions) -> Result<List, Error> {
        List::parse(&self.list_as(place, options, JSON).await?)
    }

    /// Reads a collection in another form, such as a Table.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_as(
        &self,
        place: Place<'_>,
        options: &ListOptions,
        accept: &str,
    ) -> Result<Bytes, Error> {
        let mut asked = Asked::new(Method::GET, place);
        asked.query = Query::default().listing(options);
        let request = asked.build(accept, &self.agent)?;
        answer::read(self.transport.send(request).await?).await
    }

    /// Reads a collection page by page. Where its version is forgotten on the way, all of it is read at once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_all(&self, place: Place<'_>, options: &ListOptions) -> Result<List, Error> {
        let first = ListOptions {
            limit: PAGE,
            ..options.clone()
        };
        let mut list = self.list(place, &first).await?;
        while !list.continues.is_empty() {
            let next = ListOptions {
                continues: std::mem::take(&mut list.continues),
                resource_version: String::new(),
                ..first.clone()
            };
            match self.list(place, &next).await {
                Ok(page) => {
                    list.items.extend(page.items);
                    list.continues = page.continues;
                }
                Err(error) if error.is_expired() => return self.list(place, options).await,
                Err(error) => return Err(error),
            }
        }
        Ok(list)
    }

    /// Follows a collection for as long as the server keeps the watch. See [`crate::Follow`] for one that lasts.
    ///
    /// # Errors
    /// See [`Error`]. A version that is forgotten is the watch's first item.
    pub async fn watch(&self, place: Place<'_>, options: &WatchOptions) -> Result<Watch, Error> {
        self.watch_as(place, options, JSON).await
    }

    /// The same with objects in another form, such as Tables of one row.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn watch_as(
        &self,
        place: Place<'_>,
        options: &WatchOptions,
        accept: &str,
    ) -> Result<Watch, Error> {
        let mut asked = Asked::new(Method::GET, place);
        asked.query = Query::default().watching(options);
        let request = asked.build(accept, &self.agent)?;
        let answer = self.transport.send(request).await?;
        if answer.status().is_success() {
            return Ok(Watch::new(answer.into_body()));
        }
        answer::read(answer)
            .await
            .and(Err(Error::answer("a watch without a body")))
    }

    /// Creates an object in a collection, or at a path below one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create(
        &self,
        place: Place<'_>,
        object: impl Into<Bytes>,
        options: &WriteOptions,
    ) -> Result<Object, Error> {
        self.write(Method::POST, place, (JSON, object.into()), options)
            .await
    }

    /// Replaces an object, or what a path below it sets.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn update(
        &self,
        place: Place<'_>,
        object: impl Into<Bytes>,
        options: &WriteOptions,
    ) -> Result<Object, Error> {
        self.write(Method::PUT, place, (JSON, object.into()), options)
            .await
    }

    /// Changes an object.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn patch(
        &self,
        place: Place<'_>,
        kind: PatchKind,
        patch: impl Into<Bytes>,
        options: &WriteOptions,
    ) -> Result<Object, Error> {
        let body = (kind.content_type(), patch.into());
        self.write(Method::PATCH, place, body, options).await
    }

    /// Lays a configuration (JSON or YAML) over an object, which is made if it is not there. `options` must name the
    /// field manager.
    ///
    /// # Errors
    /// See [`Error`]; 409 with a cause for each field that another owns.
    pub async fn apply(
        &self,
        place: Place<'_>,
        config: impl Into<Bytes>,
        options: &WriteOptions,
    ) -> Result<Object, Error> {
        self.patch(place, PatchKind::Apply, config, options).await
    }

    async fn write(
        &self,
        method: Method,
        place: Place<'_>,
        body: (&'static str, Bytes),
        options: &WriteOptions,
    ) -> Result<Object, Error> {
        let mut asked = Asked::new(method, place);
        asked.query = Query::default().writing(options);
        asked.body = Some(body);
        Ok(Object::new(self.ask(asked).await?))
    }

    /// Deletes an object. Answers the object where it stays for a while, else a Status.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete(&self, place: Place<'_>, options: &DeleteOptions) -> Result<Object, Error> {
        let mut asked = Asked::new(Method::DELETE, place);
        asked.body = delete_body(options);
        Ok(Object::new(self.ask(asked).await?))
    }

    /// Deletes all objects of a collection that are selected.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_collection(
        &self,
        place: Place<'_>,
        options: &DeleteOptions,
        which: &ListOptions,
    ) -> Result<(), Error> {
        let mut asked = Asked::new(Method::DELETE, place);
        asked.query = Query::default().listing(which);
        asked.body = delete_body(options);
        self.ask(asked).await.map(drop)
    }
}

fn delete_body(options: &DeleteOptions) -> Option<(&'static str, Bytes)> {
    if *options == DeleteOptions::default() {
        return None;
    }
    let json = serde_json::to_vec(options).unwrap_or_default();
    Some((JSON, json.into()))
}
