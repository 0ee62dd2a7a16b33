//! Addresses and ports of Services: what a write takes is given back unless the write becomes durable.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kinds::alloc::{Allocators, Refused as NotAllocated, Request, Reservation};
use schema::cursor::Ref;
use schema::status::Status;
use schema::tree::Struct;

use super::addresses;
use super::op::Op;
use crate::{Answer, Refused};

/// The allocators of the server; made again from the stored Services at each start.
pub(crate) struct Services(Mutex<Allocators>);

/// What one write has taken. Dropped, it gives it back.
pub(super) struct Hold<'a> {
    services: &'a Services,
    reservation: Option<Reservation>,
}

impl Services {
    /// With nothing allocated yet.
    pub(crate) const fn new(allocators: Allocators) -> Self {
        Self(Mutex::new(allocators))
    }

    /// Notes what a stored Service has.
    pub(crate) fn adopt(&self, service: Ref<'_>) {
        self.lock().adopt(service);
    }

    fn lock(&self) -> MutexGuard<'_, Allocators> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills what a new Service, or with `old` an updated one, needs; nothing for other resources.
    ///
    /// # Errors
    /// 422 for what it cannot have, 500 when nothing is left.
    pub(super) fn hold<'a>(
        &'a self,
        op: &Op<'_>,
        service: &mut Struct,
        old: Option<&Struct>,
    ) -> Answer<Option<Hold<'a>>> {
        if !is_service(op) || !op.subresource.is_empty() {
            return Ok(None);
        }
        let reservation = op.state.with_rng(|rng| {
            let mut request = Request {
                types: op.types(),
                rng,
                dry_run: op.options.dry_run,
            };
            match old {
                None => self.lock().create(&mut request, service),
                Some(old) => self.lock().update(&mut request, service, old),
            }
        });
        let reservation = reservation.map_err(|refused| told(op, service, refused))?;
        Ok(Some(Hold {
            services: self,
            reservation: Some(reservation),
        }))
    }

    /// Frees what a deleted Service had; nothing for other resources.
    pub(super) async fn release(&self, op: &Op<'_>, object: Ref<'_>) {
        if is_service(op) {
            let reservation = Allocators::delete(object);
            addresses::follow(op.state, object, &[], &reservation.freed).await;
            self.lock().commit(reservation);
        }
    }
}

fn is_service(op: &Op<'_>) -> bool {
    op.served.def.group.is_empty() && op.served.def.plural == "services"
}

fn told(op: &Op<'_>, service: &Struct, refused: NotAllocated) -> Refused {
    match refused {
        NotAllocated::Invalid(errors) => {
            let name = Ref::new(op.types(), service).path("metadata.name").str();
            Status::invalid(op.served.group_kind(), name, &errors).into()
        }
        NotAllocated::Internal(why) => Status::internal(why).into(),
    }
}

impl Hold<'_> {
    /// The write of this Service is durable.
    pub(super) async fn commit(mut self, op: &Op<'_>, service: &Struct) {
        if let Some(reservation) = self.reservation.take() {
            let service = Ref::new(op.types(), service);
            addresses::follow(op.state, service, &reservation.taken, &reservation.freed).await;
            self.services.lock().commit(reservation);
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.services.lock().abort(reservation);
        }
    }
}
