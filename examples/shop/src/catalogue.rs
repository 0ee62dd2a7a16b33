//! What there is to buy. It is kept in a file, so that the articles which a Job has brought once outlive the process.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::http::{Answer, Request, Service};
use crate::refusal::Refusal;
use crate::wire::{Article, is_id};

const MAX_ARTICLES: usize = 1000;
const MAX_NAME: usize = 100;
const MAX_PRICE: u32 = 100_000_000;

pub(crate) struct Catalogue {
    file: PathBuf,
    articles: Mutex<BTreeMap<String, Article>>,
}

impl Catalogue {
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let file = directory.join("articles.json");
        let articles: Vec<Article> = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let articles = articles.into_iter().map(|article| (article.id.clone(), article));
        Ok(Self {
            file,
            articles: Mutex::new(articles.collect()),
        })
    }

    fn list(&self) -> Vec<Article> {
        let articles = self.articles.lock().unwrap_or_else(PoisonError::into_inner);
        articles.values().cloned().collect()
    }

    /// The lock is held until the file is written, so that files replace each other in the order of the changes.
    fn put(&self, article: Article) -> Result<(), Refusal> {
        check(&article)?;
        let mut articles = self.articles.lock().unwrap_or_else(PoisonError::into_inner);
        if articles.len() >= MAX_ARTICLES && !articles.contains_key(&article.id) {
            return Err(Refusal::Conflict("the catalogue is full"));
        }
        let mut changed = articles.clone();
        changed.insert(article.id.clone(), article);
        self.write(&changed).map_err(Refusal::Disk)?;
        *articles = changed;
        Ok(())
    }

    fn write(&self, articles: &BTreeMap<String, Article>) -> io::Result<()> {
        let list: Vec<&Article> = articles.values().collect();
        let new = self.file.with_extension("new");
        fs::write(&new, serde_json::to_vec(&list)?)?;
        fs::rename(new, &self.file)
    }
}

impl Service for Catalogue {
    fn answer(&self, request: &Request) -> Result<Answer, Refusal> {
        match (request.method.as_str(), &request.segments()[..]) {
            ("GET", ["articles"]) => Ok(Answer::json(&self.list())),
            ("POST", ["articles"]) => {
                let article: Article = request.json()?;
                self.put(article.clone())?;
                Ok(Answer::json(&article).status(201))
            }
            _ => Err(Refusal::Missing("page")),
        }
    }
}

fn check(article: &Article) -> Result<(), Refusal> {
    let fits =
        is_id(&article.id) && (1..=MAX_NAME).contains(&article.name.len()) && article.price <= MAX_PRICE;
    fits.then_some(())
        .ok_or_else(|| Refusal::Bad(format!("no such article can be: {article:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn article(id: &str, price: u32) -> Article {
        Article {
            id: id.into(),
            name: "A thing".into(),
            price,
        }
    }

    #[test]
    fn what_was_put_there_is_there_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::open(directory.path()).unwrap();
        catalogue.put(article("b", 1)).unwrap();
        catalogue.put(article("a", 2)).unwrap();
        catalogue.put(article("b", 3)).unwrap();
        let again = Catalogue::open(directory.path()).unwrap();
        assert_eq!(again.list(), [article("a", 2), article("b", 3)]);
    }

    #[test]
    fn an_article_without_a_usable_id_or_price_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::open(directory.path()).unwrap();
        for bad in [article("", 1), article("../a", 1), article("a", MAX_PRICE + 1)] {
            assert_eq!(catalogue.put(bad).unwrap_err().status(), 400);
        }
        assert!(catalogue.list().is_empty());
    }
}
