//! Gives the catalogue its articles: the work of a Job, which is done once.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::http::client::Sibling;
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::wire::Article;

/// How often, and how long in between: a Job may be there before the catalogue is.
const TRIES: u32 = 120;
const PAUSE: Duration = Duration::from_millis(500);

#[expect(clippy::print_stdout, reason = "a Job's log says what it has done")]
pub(crate) fn run(settings: &Settings, file: &str) -> Result<(), Box<dyn std::error::Error>> {
    let text = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    let articles: Vec<Article> = serde_json::from_slice(&text).map_err(|error| format!("{file}: {error}"))?;
    for article in &articles {
        put(&settings.catalogue, article)?;
    }
    println!("the catalogue has {} articles", articles.len());
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a stranger's start sends no event")]
fn put(catalogue: &Sibling, article: &Article) -> Result<(), Refusal> {
    for _ in 1..TRIES {
        match catalogue.post::<Article>("/articles", article) {
            Err(Refusal::Unreachable { .. }) => thread::sleep(PAUSE),
            answer => return answer.map(drop),
        }
    }
    catalogue.post::<Article>("/articles", article).map(drop)
}
