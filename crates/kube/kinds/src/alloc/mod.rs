//! Addresses and ports of Services: who has which, and what a create, an update or a deletion changes.
//!
//! Pure state. The registry asks before it writes a Service ([`Allocators::create`], [`Allocators::update`],
//! [`Allocators::delete`]), gets a [`Reservation`], and ends it with [`Allocators::commit`] once the write is
//! durable or [`Allocators::abort`] if it failed: nothing is given out twice, and nothing is freed
//! before the Service that had it is gone from the disk. The state has no file of its own; at start it is
//! made again from the Services ([`Allocators::adopt`]), which are the only truth.
//!
//! As upstream does, this runs before the strategy prepares and validates: a Service is valid only with its
//! addresses. Upstream: `pkg/registry/core/service/storage/alloc.go`, KEP-3070 (bands), KEP-1880 (`IPAddress`).

mod addresses;
mod carry;
mod families;
mod ip_address;
mod node_ports;
mod ports;
mod stack;

use driver::Rng;
use schema::cursor::Ref;
use schema::field::Errors;
use schema::row::Types;
use schema::tree::Struct;

pub use addresses::{Addresses, Cidr, Family, NotAllocated};
pub use ip_address::ip_address;
pub use ports::Ports;

use crate::network::service::shape;
use stack::Stack;
use std::net::IpAddr;

/// Why a Service gets no address or port.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The object asks for what it cannot have: 422.
    Invalid(Errors),
    /// There is nothing left to give, or the like: 500 with this text after `Internal error occurred: `.
    Internal(String),
}

impl From<Errors> for Refused {
    fn from(errors: Errors) -> Self {
        Self::Invalid(errors)
    }
}

/// What one request takes and gives back. It must be committed or aborted.
#[must_use = "an allocation is pending until it is committed or aborted"]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// Addresses that the Service has from now on: each gets an [`ip_address()`] object.
    pub taken: Vec<IpAddr>,
    /// Addresses that it had; their objects go.
    pub freed: Vec<IpAddr>,
    taken_ports: Vec<u16>,
    freed_ports: Vec<u16>,
}

/// How a request allocates.
#[derive(Debug)]
pub struct Request<'a> {
    /// The types of the trees.
    pub types: &'a Types,
    /// Chance, for addresses and ports that the client leaves open.
    pub rng: &'a mut Rng,
    /// Whether nothing is written: fields are filled with examples, and nothing is taken.
    pub dry_run: bool,
}

/// The addresses and ports of all Services.
#[derive(Clone, Debug)]
pub struct Allocators {
    addresses: Addresses,
    ports: Ports,
}

impl Allocators {
    /// Nothing is allocated yet. The first range's family is the cluster's default.
    pub fn new(cidrs: Vec<Cidr>, node_ports: (u16, u16)) -> Self {
        let addresses = Addresses::new(cidrs);
        let ports = Ports::new(node_ports.0, node_ports.1);
        Self { addresses, ports }
    }

    /// The ranges from now on: those of the `ServiceCIDR` objects that are ready. What is allocated stays so.
    pub fn set_cidrs(&mut self, cidrs: Vec<Cidr>) {
        self.addresses.set_cidrs(cidrs);
    }

    /// Notes what a Service that exists already has.
    pub fn adopt(&mut self, service: Ref<'_>) {
        let (addresses, ports) = shape::holdings(service);
        addresses
            .into_iter()
            .for_each(|address| self.addresses.adopt(address));
        ports.into_iter().for_each(|port| self.ports.adopt(port));
    }

    /// Fills and takes what a new Service needs.
    ///
    /// # Errors
    /// When it asks for what is taken or out of range, or nothing is left.
    pub fn create(
        &mut self,
        request: &mut Request<'_>,
        service: &mut Struct,
    ) -> Result<Reservation, Refused> {
        carry::plural_of_singular(request.types, service);
        self.attempt(request, service, None)
    }

    /// The same for an update: what the client left out and the Service had stays; what the new Service has no
    /// use for is freed at commit.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn update(
        &mut self,
        request: &mut Request<'_>,
        service: &mut Struct,
        old: &Struct,
    ) -> Result<Reservation, Refused> {
        let old = Ref::new(request.types, old);
        carry::allocated(request.types, service, old);
        carry::addresses_in_step(request.types, service, old);
        self.attempt(request, service, Some(old))
    }

    /// What a deleted Service gives back.
    pub fn delete(service: Ref<'_>) -> Reservation {
        let (freed, freed_ports) = shape::holdings(service);
        Reservation {
            freed,
            freed_ports,
            ..Reservation::default()
        }
    }

    /// The write is durable: what the Service no longer has is free.
    pub fn commit(&mut self, reservation: Reservation) {
        self.free(&reservation.freed, &reservation.freed_ports);
    }

    /// The write did not happen: what was taken for it is free again.
    pub fn abort(&mut self, reservation: Reservation) {
        self.free(&reservation.taken, &reservation.taken_ports);
    }

    /// How many addresses are taken.
    pub fn addresses_held(&self) -> usize {
        self.addresses.held()
    }

    fn free(&mut self, addresses: &[IpAddr], ports: &[u16]) {
        addresses
            .iter()
            .for_each(|address| self.addresses.release(*address));
        ports.iter().for_each(|port| self.ports.release(*port));
    }

    /// All or nothing: a failure half-way gives back what was taken before it.
    fn attempt(
        &mut self,
        request: &mut Request<'_>,
        service: &mut Struct,
        old: Option<Ref<'_>>,
    ) -> Result<Reservation, Refused> {
        let mut reservation = Reservation::default();
        match self.allocate(request, service, old, &mut reservation) {
            Ok(()) => Ok(reservation),
            Err(refused) => {
                self.abort(reservation);
                Err(refused)
            }
        }
    }

    fn allocate(
        &mut self,
        request: &mut Request<'_>,
        service: &mut Struct,
        old: Option<Ref<'_>>,
        reservation: &mut Reservation,
    ) -> Result<(), Refused> {
        let before = old.map(Stack::read);
        let mut stack = families::settle(&self.addresses, request.types, service, before.as_ref())?;
        stack.allocate(before.as_ref(), &mut self.addresses, request, reservation)?;
        stack.write(request.types, service);
        node_ports::allocate(&mut self.ports, request, service, old, reservation)
    }
}

#[cfg(test)]
mod tests;
