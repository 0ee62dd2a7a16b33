//! Paths as text, by Go's rules: upstream cleans them without looking at a file system.

/// Go's `path.Clean`: no `.`, no `..` that can be resolved, no double or trailing slash.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match (part, kept.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." => drop(kept.pop()),
            ("..", None) if rooted => {}
            (part, _) => kept.push(part),
        }
    }
    match (rooted, kept.is_empty()) {
        (true, _) => format!("/{}", kept.join("/")),
        (false, true) => ".".into(),
        (false, false) => kept.join("/"),
    }
}

/// Go's `filepath.IsLocal`: a relative path that does not leave where it starts.
pub(crate) fn is_local(path: &str) -> bool {
    let cleaned = clean(path);
    !path.is_empty() && !path.starts_with('/') && cleaned != ".." && !cleaned.starts_with("../")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, cleaned) in [
            ("/a/b/", "/a/b"),
            ("//a//b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/..", "/"),
            ("/", "/"),
            ("", "."),
            ("a/..", "."),
            ("../a", "../a"),
            ("../../a", "../../a"),
            ("a/../../b", "../b"),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn local_paths_stay_below() {
        for (path, local) in [
            ("a/b", true),
            ("a/..", true),
            ("", false),
            ("/a", false),
            ("../a", false),
            ("a/../..", false),
        ] {
            assert_eq!(is_local(path), local, "{path}");
        }
    }
}
