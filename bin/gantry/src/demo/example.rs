//! The files of examples/shop, as they are there.

use std::fs;
use std::path::Path;

use crate::failure::Failure;

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../examples/shop/", $path)))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    ".dockerignore",
    "cart/Dockerfile",
    "catalogue/Dockerfile",
    "catalogue/data/articles.json",
    "log/Dockerfile",
    "order/Dockerfile",
    "payment/Dockerfile",
    "web/Dockerfile",
    "kubernetes/cart.yaml",
    "kubernetes/catalogue.yaml",
    "kubernetes/config.yaml",
    "kubernetes/log.yaml",
    "kubernetes/order.yaml",
    "kubernetes/payment.yaml",
    "kubernetes/seed.yaml",
    "kubernetes/web.yaml",
];

/// Every service, by its directory.
pub(super) const SERVICES: [&str; 6] = ["catalogue", "cart", "order", "payment", "log", "web"];

/// How many pages are served at once where nobody has scaled them.
pub(super) const REPLICAS: u64 = 2;

const WEB: &str = include_str!("../../../../examples/shop/kubernetes/web.yaml");

/// Writes them into a new directory, with the program where the images take it from.
pub(super) fn write(directory: &Path, program: &Path) -> Result<(), Failure> {
    for (path, text) in FILES {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap_or(directory))?;
        fs::write(path, text)?;
    }
    fs::create_dir(directory.join("bin"))?;
    fs::copy(program, directory.join("bin/shop"))?;
    Ok(())
}

/// The page's manifest with so many replicas of a version.
pub(super) fn web(replicas: u64, version: u32) -> String {
    WEB.replace("replicas: 2", &format!("replicas: {replicas}"))
        .replace("shop/web:1", &format!("shop/web:{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_of_the_page_is_changed_where_it_should_be() {
        assert_eq!(web(REPLICAS, 1), WEB);
        let changed = web(7, 3);
        for line in ["  replicas: 7\n", "image: shop/web:3\n"] {
            assert_eq!(changed.matches(line).count(), 1, "{changed}");
        }
    }
}
