//! What a container of the shop is told by its environment. The siblings' names are the platform's, so the defaults
//! hold under docker, compose and Kubernetes alike.

use std::path::PathBuf;

use crate::http::client::Sibling;

/// All of it; each service reads its part.
pub(crate) struct Settings {
    /// `SHOP_LISTEN`
    pub(crate) listen: String,
    /// `SHOP_TITLE`: what the page is headed.
    pub(crate) title: String,
    /// `SHOP_CURRENCY`
    pub(crate) currency: String,
    /// `SHOP_VERSION`: which image this is; the Dockerfile sets it.
    pub(crate) version: String,
    /// `SHOP_PAYMENT_KEY`: what payments are signed off with; orders and payments have to agree.
    pub(crate) payment_key: String,
    /// `SHOP_DATA`: a directory that outlives the process.
    pub(crate) data: PathBuf,
    /// `SHOP_CATALOGUE`, `SHOP_CART`, ...: NAME:PORT of each sibling.
    pub(crate) catalogue: Sibling,
    pub(crate) cart: Sibling,
    pub(crate) order: Sibling,
    pub(crate) payment: Sibling,
    pub(crate) log: Sibling,
}

impl Settings {
    pub(crate) fn read() -> Self {
        Self {
            listen: variable("LISTEN", "0.0.0.0:8080"),
            title: variable("TITLE", "The shop"),
            currency: variable("CURRENCY", "EUR"),
            version: variable("VERSION", "1"),
            payment_key: variable("PAYMENT_KEY", ""),
            data: variable("DATA", "/data").into(),
            catalogue: Sibling::new(variable("CATALOGUE", "catalogue:8080")),
            cart: Sibling::new(variable("CART", "cart:8080")),
            order: Sibling::new(variable("ORDER", "order:8080")),
            payment: Sibling::new(variable("PAYMENT", "payment:8080")),
            log: Sibling::new(variable("LOG", "log:8080")),
        }
    }

    /// The key, which whoever takes or makes payments cannot do without.
    pub(crate) fn payment_key(&self) -> Result<String, &'static str> {
        match self.payment_key.as_str() {
            "" => Err("SHOP_PAYMENT_KEY is not set"),
            key => Ok(key.to_owned()),
        }
    }
}

/// Under a prefix of its own: Kubernetes puts variables such as `CART_PORT` there for each Service.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the configuration is parsed"
)]
fn variable(name: &str, default: &str) -> String {
    std::env::var(format!("SHOP_{name}")).unwrap_or_else(|_| default.to_owned())
}
