//! The table of routes. First match wins, as in upstream's mux, where a name may contain slashes.

use http::Method;

use super::call::Call;
use super::reply::{Boxed, Reply};
use crate::error::ApiError;

/// What answers a request.
pub(crate) type Handler<S> = fn(Call<S>) -> Boxed<Result<Reply, ApiError>>;

/// One row: a method, a pattern and who answers.
pub(crate) struct Route<S: 'static> {
    /// The method; HEAD is a method of its own.
    pub method: Method,
    /// The path behind the version. `{}` stands for any text, slashes and nothing included.
    pub pattern: &'static str,
    /// Who answers.
    pub handler: Handler<S>,
}

/// A row: `route!(GET "/containers/{}/json" => containers::inspect)`.
macro_rules! route {
    ($method:ident $pattern:literal => $handler:path) => {
        $crate::server::router::Route {
            method: http::Method::$method,
            pattern: $pattern,
            handler: |call| Box::pin($handler(call)),
        }
    };
}
pub(crate) use route;

/// The row for a request, and what its `{}` stands for.
pub(crate) fn find<'t, 'p, S>(
    table: &'t [Route<S>],
    method: &Method,
    path: &'p str,
) -> Option<(&'t Route<S>, &'p str)> {
    table
        .iter()
        .filter(|route| route.method == *method)
        .find_map(|route| matches(route.pattern, path).map(|name| (route, name)))
}

/// The text in place of `{}` when the path fits; empty for a pattern without it.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    match pattern.split_once("{}") {
        None => (pattern == path).then_some(""),
        Some((before, after)) => path.strip_prefix(before)?.strip_suffix(after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_names_with_slashes() {
        for (pattern, path, name) in [
            ("/info", "/info", Some("")),
            ("/info", "/info/", None),
            ("/images/{}/json", "/images/x/y:1/json", Some("x/y:1")),
            ("/images/{}/json", "/images/json", None),
            ("/containers/{}", "/containers/", Some("")),
            ("/containers/{}/json", "/containers/a/top", None),
            ("/exec/{}/start", "/exec//start", Some("")),
        ] {
            assert_eq!(matches(pattern, path), name, "{pattern} {path}");
        }
    }
}
