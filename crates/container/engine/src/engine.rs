//! The facade: every operation on containers that a door may ask for.
//!
//! A `reference` is whatever a user may write: a full id, a name with or without slash, or an id
//! prefix that is unique.

use std::sync::Arc;

use crate::container::Container;
use crate::error::Error;
use crate::request::{Attach, Attached, Create, Created, Exec, Remove, StopOptions, Update, WaitCondition};
use crate::spec::ExecSpec;
use crate::state::Exit;

/// The container table of the node. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Engine {}

fn unready<T>() -> Result<T, Error> {
    Err(Error::Unsupported("not there yet".into()))
}

#[expect(missing_docs, clippy::unused_async, reason = "signatures first")]
impl Engine {
    pub fn list(&self) -> Vec<Arc<Container>> {
        Vec::new()
    }

    pub fn find(&self, reference: &str) -> Result<Arc<Container>, Error> {
        Err(Error::NotFound(format!("No such container: {reference}")))
    }

    pub async fn create(&self, _create: Create) -> Result<Created, Error> {
        unready()
    }

    pub async fn start(&self, _reference: &str) -> Result<(), Error> {
        unready()
    }

    pub async fn stop(&self, _reference: &str, _options: StopOptions) -> Result<(), Error> {
        unready()
    }

    pub async fn restart(&self, _reference: &str, _options: StopOptions) -> Result<(), Error> {
        unready()
    }

    pub async fn kill(&self, _reference: &str, _signal: i32) -> Result<(), Error> {
        unready()
    }

    pub async fn pause(&self, _reference: &str) -> Result<(), Error> {
        unready()
    }

    pub async fn unpause(&self, _reference: &str) -> Result<(), Error> {
        unready()
    }

    pub async fn rename(&self, _reference: &str, _name: &str) -> Result<(), Error> {
        unready()
    }

    pub async fn update(&self, _reference: &str, _update: Update) -> Result<Vec<String>, Error> {
        unready()
    }

    pub async fn remove(&self, _reference: &str, _remove: Remove) -> Result<(), Error> {
        unready()
    }

    pub async fn wait(&self, _reference: &str, _condition: WaitCondition) -> Result<Exit, Error> {
        unready()
    }

    pub async fn attach(&self, _reference: &str, _attach: Attach) -> Result<Attached, Error> {
        unready()
    }

    pub async fn resize(&self, _reference: &str, _rows: u16, _columns: u16) -> Result<(), Error> {
        unready()
    }

    pub async fn exec_create(&self, _reference: &str, _spec: ExecSpec) -> Result<String, Error> {
        unready()
    }

    /// `detach`: nothing is attached and nothing returned. `size`: rows and columns.
    pub async fn exec_start(
        &self,
        _exec: &str,
        _detach: bool,
        _size: Option<(u16, u16)>,
    ) -> Result<Option<Attached>, Error> {
        unready()
    }

    pub fn exec_inspect(&self, _exec: &str) -> Result<Exec, Error> {
        unready()
    }

    pub async fn exec_resize(&self, _exec: &str, _rows: u16, _columns: u16) -> Result<(), Error> {
        unready()
    }
}
