//! The page that visitors see. It keeps nothing: which cart is whose is in the visitor's cookie.

use std::fs::File;
use std::io::{self, Read};

use crate::http::client::Sibling;
use crate::http::{Answer, Request, Service};
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::wire::{Article, Cart, Checkout, Item, Order, is_id};

pub(crate) struct Web {
    title: String,
    currency: String,
    version: String,
    catalogue: Sibling,
    cart: Sibling,
    order: Sibling,
}

impl Web {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            title: settings.title.clone(),
            currency: settings.currency.clone(),
            version: settings.version.clone(),
            catalogue: settings.catalogue.clone(),
            cart: settings.cart.clone(),
            order: settings.order.clone(),
        }
    }

    fn shop(&self, visitor: &str) -> Result<Answer, Refusal> {
        let articles: Vec<Article> = self.catalogue.get("/articles")?;
        let cart: Cart = self.cart.get(&format!("/carts/{visitor}"))?;
        Ok(self.page(&format!("{}{}", self.articles(&articles), self.contents(&cart))))
    }

    fn add(&self, visitor: &str, form: &[u8]) -> Result<Answer, Refusal> {
        let mut fields = form_urlencoded::parse(form);
        let (_, article) = fields
            .find(|(name, _)| name == "article")
            .ok_or_else(|| Refusal::Bad("which article?".to_owned()))?;
        let item = Item {
            article: article.into_owned(),
            quantity: 1,
        };
        let _: Cart = self.cart.post(&format!("/carts/{visitor}/items"), &item)?;
        Ok(Answer::see("/"))
    }

    fn checkout(&self, visitor: &str) -> Result<Answer, Refusal> {
        let order: Order = self.order.post(
            "/orders",
            &Checkout {
                cart: visitor.to_owned(),
            },
        )?;
        let (id, total) = (order.id, self.money(order.total));
        Ok(self.page(&format!(
            "<p>Thank you: order {id}, {total}, is paid.</p>\n<p><a href=\"/\">Back</a></p>\n"
        )))
    }

    fn page(&self, body: &str) -> Answer {
        let (title, version) = (escape(&self.title), escape(&self.version));
        Answer::html(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body>\n<h1>{title}</h1>\n{body}<footer>web {version}</footer>\n</body>\n</html>\n"
        ))
    }

    fn articles(&self, articles: &[Article]) -> String {
        let article = |article: &Article| {
            format!(
                "<li>{} {} <form method=\"post\" action=\"/cart\"><button name=\"article\" value=\"{}\">into the \
                 cart</button></form></li>\n",
                escape(&article.name),
                self.money(article.price.into()),
                escape(&article.id)
            )
        };
        format!(
            "<h2>Articles</h2>\n<ul>\n{}</ul>\n",
            articles.iter().map(article).collect::<String>()
        )
    }

    fn contents(&self, cart: &Cart) -> String {
        let line = |line: &crate::wire::Line| {
            let price = self.money(line.price);
            format!("<li>{} {} {price}</li>\n", line.quantity, escape(&line.name))
        };
        let lines: String = cart.lines.iter().map(line).collect();
        let total = self.money(cart.total);
        format!(
            "<h2>Your cart</h2>\n<ul>\n{lines}</ul>\n<p>Together: {total}</p>\n\
             <form method=\"post\" action=\"/order\"><button>Order</button></form>\n"
        )
    }

    fn money(&self, hundredths: u64) -> String {
        format!(
            "{}.{:02} {}",
            hundredths / 100,
            hundredths % 100,
            escape(&self.currency)
        )
    }
}

impl Service for Web {
    fn answer(&self, request: &Request) -> Result<Answer, Refusal> {
        let known = request.cookie("cart").filter(|id| is_id(id)).map(str::to_owned);
        let visitor = known
            .clone()
            .map_or_else(new_visitor, Ok)
            .map_err(Refusal::Disk)?;
        let answer = match (request.method.as_str(), request.path.as_str()) {
            ("GET" | "HEAD", "/") => self.shop(&visitor)?,
            ("POST", "/cart") => self.add(&visitor, &request.body)?,
            ("POST", "/order") => self.checkout(&visitor)?,
            _ => return Err(Refusal::Missing("page")),
        };
        let cookie = || format!("cart={visitor}; HttpOnly; SameSite=Strict; Path=/");
        Ok(if known.is_some() {
            answer
        } else {
            answer.with("Set-Cookie", &cookie())
        })
    }

    fn ready(&self) -> bool {
        self.catalogue.is_ready() && self.cart.is_ready()
    }
}

/// Nobody may guess another's cart.
fn new_visitor() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_names_as_they_are_written() {
        let web = Web::new(&Settings::read());
        let articles = [Article {
            id: "mug".into(),
            name: "<b> & \"c\"".into(),
            price: 1205,
        }];
        let list = web.articles(&articles);
        assert!(list.contains("&lt;b&gt; &amp; &quot;c&quot; 12.05 EUR"), "{list}");
    }
}
