//! The names of kernel parameters, as sysctl(8) writes them.

use std::io;
use std::path::{Path, PathBuf};

/// The file of a parameter, below `/proc/sys`. Names separate by dots, and a dot of a part (a link's name) is written
/// as a slash; or the other way round, if a slash comes first.
///
/// # Errors
/// `InvalidInput`: a part is empty, `.` or `..`, so that the file would not be where the name says.
pub fn below_proc_sys(name: &str) -> io::Result<String> {
    let slashes = name
        .find(['.', '/'])
        .is_some_and(|at| name[at..].starts_with('/'));
    let path = if slashes { name.to_owned() } else { exchanged(name) };
    if path.contains('\0') || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let why = format!("{name:?} is not the name of a kernel parameter");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(path)
}

/// The same from the root.
///
/// # Errors
/// As [`below_proc_sys`].
pub fn file(name: &str) -> io::Result<PathBuf> {
    Ok(Path::new("/proc/sys").join(below_proc_sys(name)?))
}

/// A name in the notation of dots.
///
/// # Errors
/// As [`below_proc_sys`].
pub fn dotted(name: &str) -> io::Result<String> {
    Ok(exchanged(&below_proc_sys(name)?))
}

/// Slashes and dots change places.
fn exchanged(name: &str) -> String {
    let exchange = |char| match char {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    name.chars().map(exchange).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_name_the_same_file() {
        for (name, path) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
            (
                "net/ipv4/conf/eth0.100/forwarding",
                "net/ipv4/conf/eth0.100/forwarding",
            ),
            (
                "net.ipv4.conf.eth0/100.forwarding",
                "net/ipv4/conf/eth0.100/forwarding",
            ),
        ] {
            assert_eq!(below_proc_sys(name).unwrap(), path);
        }
        assert_eq!(
            dotted("net/ipv4/conf/eth0.100/forwarding").unwrap(),
            "net.ipv4.conf.eth0/100.forwarding"
        );
    }

    #[test]
    fn no_name_leads_elsewhere() {
        for name in [
            "",
            ".",
            "net/../kernel/core_pattern",
            "net.//.kernel.core_pattern",
            "net/ipv4/../../kernel/core_pattern",
            "net/./ipv4",
            "net//ipv4",
            "net..ipv4",
            "net.",
            "/net",
            "net.a\0b",
        ] {
            assert!(below_proc_sys(name).is_err(), "{name:?}");
        }
    }
}
