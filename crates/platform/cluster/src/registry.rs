//! The registry's door: its port, and the node's images behind it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use driver::Clock;
use engine::supervised::Supervisor;
use https::{Drained, Identity};
use image::Images;
use network::Holder;
use registry::{InvalidSettings, Parts, Settings, Upstream};

use crate::config::Config;
use crate::{kubernetes, listen};

/// What the supervisor keeps the listening socket under: clients that come while no daemon runs wait.
const HELD: &str = "cluster.registry";
/// How long requests that are under way may still take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no registry.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port cannot be had.
    #[error(transparent)]
    Listen(#[from] kubernetes::Error),
    /// Its configuration.
    #[error("the registry's configuration ({0})")]
    Settings(String, #[source] InvalidSettings),
    /// Its certificate does not serve, or its port.
    #[error("cannot serve the registry")]
    Door(#[from] https::OpenError),
}

/// What the registry's file says, with a certificate if it names one.
///
/// # Errors
/// [`Error::Settings`].
pub(crate) fn read(
    config: &Config,
    port: u16,
    clock: &Arc<dyn Clock>,
) -> Result<(registry::Config, Option<Identity>), Error> {
    let path = config.registry.file.as_deref();
    let read = || {
        let settings = path.map_or_else(|| Ok(Settings::default()), Settings::read)?;
        let (domain, group) = (format!("localhost:{port}"), listen::group("docker"));
        let mut served = settings.config(&domain, config.registry.bind, group, clock)?;
        let host = rustix::system::uname();
        served
            .access
            .names
            .push(host.nodename().to_string_lossy().into_owned());
        Ok((served, settings.identity()?))
    };
    read().map_err(|error| {
        let path = path.map_or_else(|| "default".to_owned(), |path| path.display().to_string());
        Error::Settings(path, error)
    })
}

/// The served registry.
pub(crate) struct Registry(registry::Registry);

/// The port of the daemon before, or a new one; none where there shall be no registry. To be had before anything is made
/// that would have to be taken back if somebody holds the port.
///
/// # Errors
/// Somebody holds it.
pub(crate) fn listener(config: &Config, holder: &dyn Holder) -> Result<Option<TcpListener>, Error> {
    if config.registry.port == 0 {
        return Ok(None);
    }
    let wanted = SocketAddr::new(config.registry.bind, config.registry.port);
    Ok(Some(kubernetes::held_listener(HELD, wanted, holder)?))
}

impl Registry {
    /// Serves the node's images with the node's own certificate, unless the configuration names another one.
    ///
    /// # Errors
    /// The configuration, or the certificate.
    pub(crate) fn open(
        config: &Config,
        listener: TcpListener,
        images: Images,
        identity: &Identity,
        upstream: Arc<dyn Upstream>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let port = listener.local_addr().map_err(kubernetes::Error::from)?.port();
        let (served, own) = read(config, port, clock)?;
        let identity = own.unwrap_or_else(|| identity.clone());
        let parts = Parts {
            content: Arc::new(images),
            clock: clock.clone(),
            upstream: Some(upstream),
        };
        Ok(Self(registry::Registry::open(served, parts, listener, identity)?))
    }

    /// Ends it. With `handover` the socket stays, for the next daemon. Answers what was cut off.
    pub(crate) async fn close(self, holder: &Supervisor, handover: bool) -> Option<String> {
        let drained = self.0.close(PATIENCE).await;
        if !handover {
            // It may have gone first.
            drop(tokio::task::block_in_place(|| holder.release(HELD)));
        }
        match drained {
            Drained::Whole => None,
            Drained::Cut(left) => Some(format!("{left} connections to the registry were cut off")),
        }
    }
}
