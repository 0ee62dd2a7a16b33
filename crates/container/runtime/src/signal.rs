//! Signals by name, as users write them (signal(7), Linux on x86-64 and arm64).

/// Names of the numbers from 1 on.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// Other names of the same.
const ALIASES: [(&str, i32); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];
/// The first real-time signal that a C library leaves to programs (32 and 33 are its own), and the
/// last one.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// `kill(2)`'s number of the signal that ends a program without asking.
pub const SIGKILL: i32 = 9;
/// What asks a program to end where nothing else is said.
pub const SIGTERM: i32 = 15;

/// The number of `15`, or of a name. None for what the kernel does not know.
#[must_use]
pub fn parse(text: &str) -> Option<i32> {
    match text.parse::<i32>() {
        Ok(number) => (1..=RTMAX).contains(&number).then_some(number),
        Err(_) => named(text),
    }
}

/// The number of `TERM`, `SIGTERM`, `RTMIN+3`, in any case.
#[must_use]
pub fn named(text: &str) -> Option<i32> {
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let plain = NAMES.iter().zip(1..).find(|(known, _)| **known == name);
    let alias = || ALIASES.iter().find(|(known, _)| *known == name);
    plain
        .map(|(_, number)| number)
        .or_else(|| alias().map(|(_, number)| *number))
        .or_else(|| real_time(name))
}

/// Whether a program can be sent it: it has a name.
#[must_use]
pub const fn is_known(number: i32) -> bool {
    matches!(number, 1..=31 | RTMIN..=RTMAX)
}

fn real_time(name: &str) -> Option<i32> {
    let offset = |text: &str, sign: char| match text {
        "" => Some(0),
        _ => text.strip_prefix(sign)?.parse::<u8>().ok().map(i32::from),
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => RTMIN + offset(rest, '+')?,
        (_, Some(rest)) => RTMAX - offset(rest, '-')?,
        _ => return None,
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::{NAMES, is_known, parse};

    #[test]
    fn every_spelling_is_known_and_nothing_else() {
        let cases = [
            ("9", Some(9)),
            ("KILL", Some(9)),
            ("SIGKILL", Some(9)),
            ("sigterm", Some(15)),
            ("SIGIOT", Some(6)),
            ("SIGPOLL", Some(29)),
            ("cld", Some(17)),
            ("WINCH", Some(28)),
            ("RTMIN", Some(34)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-1", Some(63)),
            ("64", Some(64)),
            ("SYS", Some(31)),
            ("0", None),
            ("65", None),
            ("-9", None),
            ("", None),
            ("SIG", None),
            ("RTMIN-1", None),
            ("RTMIN+31", None),
            ("RTMIN+2147483647", None),
            ("1x", None),
            ("TERMINATE", None),
            ("NOPE", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_has_a_name_can_be_sent() {
        for (name, number) in NAMES.iter().zip(1..) {
            assert_eq!((parse(name), is_known(number)), (Some(number), true), "{name}");
        }
        for (number, known) in [
            (0, false),
            (32, false),
            (33, false),
            (34, true),
            (64, true),
            (65, false),
        ] {
            assert_eq!(is_known(number), known, "{number}");
        }
    }
}
