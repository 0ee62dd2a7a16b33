//! Turns a cart into a paid order.

use std::sync::{Mutex, PoisonError};

use crate::http::client::Sibling;
use crate::http::{Answer, Request, Service};
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::wire::{Cart, Checkout, Order, Payment, Receipt, is_id};

const MAX_ORDERS: usize = 10_000;

pub(crate) struct Orders {
    cart: Sibling,
    payment: Sibling,
    paid: Mutex<Vec<Order>>,
}

impl Orders {
    pub(crate) fn new(settings: &Settings) -> Result<Self, &'static str> {
        Ok(Self {
            cart: settings.cart.clone(),
            payment: settings.payment.clone().with_key(settings.payment_key()?),
            paid: Mutex::default(),
        })
    }

    fn place(&self, checkout: &Checkout) -> Result<Order, Refusal> {
        if !is_id(&checkout.cart) {
            return Err(Refusal::Missing("cart"));
        }
        let path = format!("/carts/{}", checkout.cart);
        let cart: Cart = self.cart.get(&path)?;
        if cart.lines.is_empty() {
            return Err(Refusal::Conflict("the cart is empty"));
        }
        let receipt: Receipt = self.payment.post("/payments", &Payment { amount: cart.total })?;
        let order = self.keep(cart.total, receipt.payment)?;
        self.cart.delete(&path)?;
        Ok(order)
    }

    fn keep(&self, total: u64, payment: u64) -> Result<Order, Refusal> {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        if paid.len() >= MAX_ORDERS {
            return Err(Refusal::Conflict("there are too many orders"));
        }
        let order = Order {
            id: paid.len() as u64 + 1,
            total,
            payment,
        };
        paid.push(order.clone());
        Ok(order)
    }
}

impl Service for Orders {
    fn answer(&self, request: &Request) -> Result<Answer, Refusal> {
        match (request.method.as_str(), &request.segments()[..]) {
            ("POST", ["orders"]) => Ok(Answer::json(&self.place(&request.json()?)?).status(201)),
            ("GET", ["orders"]) => {
                let paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Answer::json(&*paid))
            }
            _ => Err(Refusal::Missing("page")),
        }
    }

    fn ready(&self) -> bool {
        self.cart.is_ready() && self.payment.is_ready()
    }
}
