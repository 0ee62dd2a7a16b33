//! Takes the money: whoever has the key may say how much.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::{Answer, Request, Service};
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::wire::{Payment, Receipt};

pub(crate) struct Payments {
    /// What `Authorization` has to be.
    expected: String,
    taken: AtomicU64,
}

impl Payments {
    pub(crate) fn new(settings: &Settings) -> Result<Self, &'static str> {
        Ok(Self {
            expected: format!("Bearer {}", settings.payment_key()?),
            taken: AtomicU64::new(0),
        })
    }

    fn take(&self, request: &Request) -> Result<Receipt, Refusal> {
        if request.field("authorization") != Some(&self.expected) {
            return Err(Refusal::Unauthorized);
        }
        let payment: Payment = request.json()?;
        if payment.amount == 0 {
            return Err(Refusal::Bad("nothing to pay".to_owned()));
        }
        Ok(Receipt {
            payment: self.taken.fetch_add(1, Ordering::Relaxed) + 1,
        })
    }
}

impl Service for Payments {
    fn answer(&self, request: &Request) -> Result<Answer, Refusal> {
        match (request.method.as_str(), &request.segments()[..]) {
            ("POST", ["payments"]) => Ok(Answer::json(&self.take(request)?).status(201)),
            _ => Err(Refusal::Missing("page")),
        }
    }
}
