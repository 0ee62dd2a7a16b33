//! Pulling the image that `run` has not found.

use std::io;

use hyper::Method;

use super::http::{Daemon, Error, Target};
use super::progress::{self, Lines};

/// Progress goes to standard error: the program's output is not mixed with it.
pub(super) async fn pull(daemon: &Daemon, image: &str) -> Result<(), Error> {
    let target = Target::new(&["images", "create"]).with("fromImage", tagged(image));
    let mut lines = Lines::of(daemon.stream(Method::POST, target).await?);
    while let Some(line) = lines.next().await? {
        progress::print(&mut io::stderr().lock(), &line)?;
    }
    Ok(())
}

/// A name alone would mean all of its tags.
pub(super) fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::tagged;

    #[test]
    fn one_tag_is_pulled_and_not_all() {
        assert_eq!(tagged("busybox"), "busybox:latest");
        assert_eq!(tagged("host:5000/a"), "host:5000/a:latest");
        for complete in ["a:1", "host:5000/a:1", "a@sha256:0"] {
            assert_eq!(tagged(complete), complete);
        }
    }
}
