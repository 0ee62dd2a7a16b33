//! What an entry may not be, wherever it would go. Pure: names and headers only.

use super::fault::{Fault, Why};
use super::tar::{Entry, Kind};

/// Attributes that are overlay's own: an archive that brings them could reach into other layers.
const OVERLAY: &[&str] = &["trusted.overlay.", "user.overlay."];

/// Refuses what no entry may be, wherever it would go.
pub(super) fn check(entry: &Entry, path: &[u8], climbing_links: bool) -> Result<(), Fault> {
    let refuse = |why| Err(Fault::entry(&entry.name, why));
    if entry.kind == Kind::Character && entry.device == (0, 0) {
        return refuse(Why::Device);
    }
    if !climbing_links && entry.kind == Kind::Symlink && climbs_out(&entry.link, path) {
        return refuse(Why::Symlink(String::from_utf8_lossy(&entry.link).into_owned()));
    }
    let reserved = |name: &str| OVERLAY.iter().any(|prefix| name.starts_with(prefix));
    match entry.xattrs.iter().find(|(name, _)| reserved(name)) {
        Some((name, _)) => refuse(Why::Attribute(name.clone())),
        None => Ok(()),
    }
}

/// The components of a name; `None` if one of them is `..`. An absolute name begins at the root.
pub(super) fn components(name: &[u8]) -> Option<Vec<&[u8]>> {
    let parts = name
        .split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."));
    let parts: Vec<&[u8]> = parts.collect();
    (!parts.contains(&b"..".as_slice())).then_some(parts)
}

/// Whether a relative link target has more `..` than there are directories above it. (Upstream
/// refuses it, too. An absolute target begins at the container's own root and is harmless.)
fn climbs_out(target: &[u8], path: &[u8]) -> bool {
    if target.starts_with(b"/") {
        return false;
    }
    let depth = path.iter().filter(|byte| **byte == b'/').count();
    let step = |level: usize, part: &[u8]| match part {
        b"" | b"." => Some(level),
        b".." => level.checked_sub(1),
        _ => Some(level + 1),
    };
    let mut parts = target.split(|byte| *byte == b'/');
    parts.try_fold(depth, step).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_unless_it_climbs() {
        let check = |name: &str, parts: Option<&[&str]>| {
            let expected = parts.map(|parts| parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>());
            assert_eq!(components(name.as_bytes()), expected, "{name}");
        };
        check("a/b", Some(&["a", "b"]));
        check("/a//./b/", Some(&["a", "b"]));
        check("./", Some(&[]));
        check("a/..b", Some(&["a", "..b"]));
        check("a/../b", None);
    }

    #[test]
    fn a_link_may_climb_as_far_as_the_root() {
        let check = |target: &str, path: &str, out: bool| {
            assert_eq!(
                climbs_out(target.as_bytes(), path.as_bytes()),
                out,
                "{path} -> {target}"
            );
        };
        check("../x", "a/link", false);
        check("../../x", "a/link", true);
        check("b/../../x", "a/link", false);
        check("..", "link", true);
        check("/../x", "link", false);
    }
}
