//! Signals by name or number.

use crate::error::ApiError;

/// Signals of Linux by number from 1; real-time signals are counted from either end.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
const ALIASES: [(&str, i32); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];
/// The first real-time signal as libc counts them; the kernel's 32 and 33 are libc's own.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// Upstream's `ParseSignal`: `9`, `KILL`, `SIGKILL`, `RTMIN+3`, in any case.
///
/// # Errors
/// 400 when it is none of them, or zero.
pub(crate) fn parse(text: &str) -> Result<i32, ApiError> {
    let invalid = || ApiError::bad(format!("invalid signal: {text}"));
    if let Ok(number) = text.parse::<i32>() {
        return if number == 0 { Err(invalid()) } else { Ok(number) };
    }
    let upper = text.to_uppercase();
    named(upper.strip_prefix("SIG").unwrap_or(&upper)).ok_or_else(invalid)
}

/// Whether a container can be sent it.
pub(crate) const fn is_known(number: i32) -> bool {
    matches!(number, 1..=31 | RTMIN..=RTMAX)
}

fn named(name: &str) -> Option<i32> {
    let plain = NAMES
        .iter()
        .position(|known| *known == name)
        .and_then(|at| i32::try_from(at + 1).ok());
    plain
        .or_else(|| {
            ALIASES
                .iter()
                .find(|(alias, _)| *alias == name)
                .map(|(_, number)| *number)
        })
        .or_else(|| real_time(name))
}

fn real_time(name: &str) -> Option<i32> {
    let offset = |text: &str, sign: char| match text {
        "" => Some(0),
        text => text.strip_prefix(sign)?.parse::<i32>().ok(),
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => RTMIN.checked_add(offset(rest, '+')?)?,
        (_, Some(rest)) => RTMAX.checked_sub(offset(rest, '-')?)?,
        _ => return None,
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_signals() {
        for (text, number) in [
            ("9", 9),
            ("KILL", 9),
            ("sigkill", 9),
            ("SIGTERM", 15),
            ("hup", 1),
            ("SYS", 31),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("SIGPOLL", 29),
            ("cld", 17),
            ("WINCH", 28),
            ("100", 100),
        ] {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
        for text in [
            "",
            "0",
            "NOPE",
            "RTMIN+31",
            "RTMIN-1",
            "SIG",
            "1x",
            "RTMIN+2147483647",
        ] {
            assert_eq!(
                parse(text).unwrap_err().message,
                format!("invalid signal: {text}")
            );
        }
    }
}
