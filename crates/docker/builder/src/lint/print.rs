//! A report as `docker build --check` prints it.

use std::fmt::Write as _;

use super::{Report, Warning};
use crate::dockerfile::Span;

impl Report {
    /// The report on a file of this name and text.
    #[must_use]
    pub fn print(&self, name: &str, file: &str) -> String {
        let mut out = match self.warnings.len() {
            0 if self.fault.is_some() => String::new(),
            0 => "Check complete, no warnings found.\n".to_owned(),
            1 => "Check complete, 1 warning has been found!\n".to_owned(),
            count => format!("Check complete, {count} warnings have been found!\n"),
        };
        for warning in &self.warnings {
            print_warning(&mut out, warning, name, file);
        }
        if let Some(fault) = &self.fault {
            if !self.warnings.is_empty() {
                out.push('\n');
            }
            out.push_str(&fault.message);
            out.push('\n');
            fault
                .span
                .into_iter()
                .for_each(|span| excerpt(&mut out, span, name, file));
        }
        out
    }
}

fn print_warning(out: &mut String, warning: &Warning, name: &str, file: &str) {
    out.push_str("\nWARNING: ");
    out.push_str(warning.rule.name);
    if !warning.rule.url.is_empty() {
        out.push_str(" - ");
        out.push_str(warning.rule.url);
    }
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(out, "\n{}", warning.detail);
    excerpt(out, warning.span, name, file);
}

const RULE: &str = "--------------------";

/// The lines and some around them; upstream shows four more, or two with several lines.
fn excerpt(out: &mut String, span: Span, name: &str, file: &str) {
    let lines: Vec<&str> = file.split('\n').collect();
    let (mut start, mut end) = (span.start as usize, (span.end as usize).min(lines.len()));
    if start == 0 || start > lines.len() {
        return;
    }
    let more = if start == end { 4 } else { 2 };
    let mut padded = 0;
    while padded < more {
        if start > 1 {
            start -= 1;
            padded += 1;
        }
        if end != lines.len() {
            end += 1;
            padded += 1;
        }
        padded += 1;
    }
    let _ = writeln!(out, "{name}:{}\n{RULE}", span.start);
    for (number, line) in lines.iter().enumerate().take(end).skip(start - 1) {
        let number = number + 1;
        let marked = (span.start as usize..=span.end as usize).contains(&number);
        let mark = if marked { ">>>" } else { "   " };
        let _ = writeln!(out, " {number:3} | {mark} {line}");
    }
    let _ = writeln!(out, "{RULE}");
}
