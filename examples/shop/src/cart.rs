//! What each visitor wants to buy. Prices are the catalogue's, asked for whenever a cart is looked at.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::http::client::Sibling;
use crate::http::{Answer, Request, Service};
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::wire::{Article, Cart, Item, Line, is_id};

const MAX_CARTS: usize = 10_000;
const MAX_LINES: usize = 100;
/// Of one article.
const MAX_QUANTITY: u32 = 99;

/// How many of each article, by its id.
type Contents = BTreeMap<String, u32>;

pub(crate) struct Carts {
    catalogue: Sibling,
    carts: Mutex<HashMap<String, Contents>>,
}

impl Carts {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            catalogue: settings.catalogue.clone(),
            carts: Mutex::default(),
        }
    }

    fn carts(&self) -> MutexGuard<'_, HashMap<String, Contents>> {
        self.carts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A cart that nothing was put into is empty.
    fn read(&self, id: &str) -> Result<Cart, Refusal> {
        let contents = self.carts().get(id).cloned().unwrap_or_default();
        Ok(priced(&contents, &self.articles()?))
    }

    fn articles(&self) -> Result<Vec<Article>, Refusal> {
        self.catalogue.get("/articles")
    }

    fn add(&self, id: &str, item: &Item) -> Result<(), Refusal> {
        let articles = self.articles()?;
        if !articles.iter().any(|article| article.id == item.article) {
            return Err(Refusal::Missing("article"));
        }
        let mut carts = self.carts();
        if carts.len() >= MAX_CARTS && !carts.contains_key(id) {
            return Err(Refusal::Conflict("there are too many carts"));
        }
        put(carts.entry(id.to_owned()).or_default(), item)
    }
}

impl Service for Carts {
    fn answer(&self, request: &Request) -> Result<Answer, Refusal> {
        match (request.method.as_str(), &request.segments()[..]) {
            (_, ["carts", id, ..]) if !is_id(id) => Err(Refusal::Missing("cart")),
            ("GET", ["carts", id]) => Ok(Answer::json(&self.read(id)?)),
            ("POST", ["carts", id, "items"]) => {
                self.add(id, &request.json()?)?;
                Ok(Answer::json(&self.read(id)?).status(201))
            }
            ("DELETE", ["carts", id]) => {
                self.carts().remove(*id);
                Ok(Answer::text(""))
            }
            _ => Err(Refusal::Missing("page")),
        }
    }

    fn ready(&self) -> bool {
        self.catalogue.is_ready()
    }
}

fn put(contents: &mut Contents, item: &Item) -> Result<(), Refusal> {
    let quantity = contents
        .get(&item.article)
        .copied()
        .unwrap_or(0)
        .saturating_add(item.quantity);
    if item.quantity == 0 || quantity > MAX_QUANTITY || contents.len() >= MAX_LINES {
        return Err(Refusal::Bad(format!("not {} of it", item.quantity)));
    }
    contents.insert(item.article.clone(), quantity);
    Ok(())
}

/// What is no longer in the catalogue is left out.
fn priced(contents: &Contents, articles: &[Article]) -> Cart {
    let line = |(id, quantity): (&String, &u32)| {
        let article = articles.iter().find(|article| article.id == *id)?;
        let price = u64::from(article.price) * u64::from(*quantity);
        Some(Line {
            name: article.name.clone(),
            quantity: *quantity,
            price,
        })
    };
    let lines: Vec<Line> = contents.iter().filter_map(line).collect();
    Cart {
        total: lines.iter().map(|line| line.price).sum(),
        lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_costs_what_is_in_it_at_the_prices_of_now() {
        let mut contents = Contents::new();
        for (article, quantity) in [("mug", 2), ("gone", 1), ("mug", 1)] {
            put(
                &mut contents,
                &Item {
                    article: article.into(),
                    quantity,
                },
            )
            .unwrap();
        }
        let articles = [Article {
            id: "mug".into(),
            name: "A mug".into(),
            price: 750,
        }];
        let lines = vec![Line {
            name: "A mug".into(),
            quantity: 3,
            price: 2250,
        }];
        assert_eq!(priced(&contents, &articles), Cart { lines, total: 2250 });
    }

    #[test]
    fn quantities_have_bounds() {
        let mut contents = Contents::new();
        for quantity in [0, MAX_QUANTITY + 1, u32::MAX] {
            assert!(
                put(
                    &mut contents,
                    &Item {
                        article: "mug".into(),
                        quantity
                    }
                )
                .is_err()
            );
        }
        assert!(contents.is_empty());
    }
}
