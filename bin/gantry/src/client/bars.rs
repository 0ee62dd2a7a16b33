//! Progress of layers as bars, on a terminal that can be painted over.

use std::collections::HashMap;
use std::io;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

/// A bar for each layer, words for the rest.
#[derive(Default)]
pub(super) struct Bars {
    all: MultiProgress,
    layers: HashMap<String, ProgressBar>,
}

impl Bars {
    /// Shows a line of a pull's or push's progress.
    ///
    /// # Errors
    /// The terminal's.
    pub(super) fn line(&mut self, line: &Value) -> io::Result<()> {
        let Some(status) = line["status"].as_str() else {
            return Ok(());
        };
        let Some(id) = line["id"]
            .as_str()
            .filter(|_| line.get("progressDetail").is_some())
        else {
            return self.all.println(match line["id"].as_str() {
                Some(id) => format!("{id}: {status}"),
                None => status.to_owned(),
            });
        };
        let all = &self.all;
        let bar = self.layers.entry(id.to_owned()).or_insert_with(|| {
            let bar = all.add(ProgressBar::new(0));
            bar.set_prefix(id.to_owned());
            bar.set_style(words());
            bar
        });
        let detail = &line["progressDetail"];
        bar.set_message(status.to_owned());
        match (detail["current"].as_u64(), detail["total"].as_u64()) {
            (Some(current), Some(total)) => {
                bar.set_style(moving());
                bar.set_length(total);
                bar.set_position(current);
            }
            _ => {
                bar.set_style(words());
                bar.tick();
            }
        }
        Ok(())
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.layers.values().for_each(ProgressBar::abandon);
    }
}

fn words() -> ProgressStyle {
    style("{prefix}: {msg}")
}

fn moving() -> ProgressStyle {
    style("{prefix}: {msg:11} [{bar:30}] {bytes}/{total_bytes}")
}

/// A template is a text of ours; one that is wrong would show nothing.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
