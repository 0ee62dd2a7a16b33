//! What the services say to each other, as JSON.

use serde::{Deserialize, Serialize};

/// Something that can be bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Article {
    pub(crate) id: String,
    pub(crate) name: String,
    /// In hundredths of the currency.
    pub(crate) price: u32,
}

/// So many of an article, into a cart.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) article: String,
    pub(crate) quantity: u32,
}

/// What is in a cart, at today's prices.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cart {
    pub(crate) lines: Vec<Line>,
    pub(crate) total: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) quantity: u32,
    /// For all of them.
    pub(crate) price: u64,
}

/// The wish to buy what is in a cart.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checkout {
    pub(crate) cart: String,
}

/// An order that was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) total: u64,
    pub(crate) payment: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) amount: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) payment: u64,
}

/// Whether a word can be an article's or a cart's id: it goes into paths and cookies as it is.
pub(crate) fn is_id(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&word.len()) && word.bytes().all(plain)
}
