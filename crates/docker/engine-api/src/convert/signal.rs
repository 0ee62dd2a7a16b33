//! Signals by name or number.

use runtime::signal::named;

use crate::error::ApiError;

/// Upstream's `ParseSignal`: `9`, `KILL`, `SIGKILL`, `RTMIN+3`, in any case.
///
/// # Errors
/// 400 when it is none of them, or zero.
pub(crate) fn parse(text: &str) -> Result<i32, ApiError> {
    let invalid = || ApiError::bad(format!("invalid signal: {text}"));
    if let Ok(number) = text.parse::<i32>() {
        return if number == 0 { Err(invalid()) } else { Ok(number) };
    }
    named(text).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_signals() {
        for (text, number) in [
            ("9", 9),
            ("KILL", 9),
            ("SIGRTMIN+3", 37),
            ("100", 100),
            ("-1", -1),
        ] {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
        for text in ["", "0", "NOPE", "1x"] {
            assert_eq!(
                parse(text).unwrap_err().message,
                format!("invalid signal: {text}")
            );
        }
    }
}
