//! What all services say, in one place: the last lines on demand, every line on standard output.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::http::{Answer, Request, Service};
use crate::refusal::Refusal;

/// Lines that are kept.
const KEPT: usize = 1000;

#[derive(Default)]
pub(crate) struct Log {
    lines: Mutex<VecDeque<String>>,
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, text: &str) {
        let mut lines = self.lines();
        lines.extend(text.lines().map(str::to_owned));
        let over = lines.len().saturating_sub(KEPT);
        lines.drain(..over);
    }
}

impl Service for Log {
    fn answer(&self, request: &Request) -> Result<Answer, Refusal> {
        match (request.method.as_str(), &request.segments()[..]) {
            ("POST", ["lines"]) => {
                // Without a reader of standard output the kept lines are still there.
                drop(io::stdout().write_all(&request.body));
                self.keep(&String::from_utf8_lossy(&request.body));
                Ok(Answer::text(""))
            }
            ("GET", ["lines"]) => Ok(Answer::text(
                self.lines()
                    .iter()
                    .fold(String::new(), |text, line| text + line + "\n"),
            )),
            _ => Err(Refusal::Missing("page")),
        }
    }

    fn is_logged(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let log = Log::default();
        (0..KEPT + 5).for_each(|number| log.keep(&format!("{number}\n")));
        assert_eq!(log.lines().len(), KEPT);
        assert_eq!(log.lines().front().unwrap(), "5");
    }
}
