//! Node ports of one Service, and its port for health checks.

use schema::cursor::{self, Ref};
use schema::field::{Error, Errors, Path};
use schema::tree::{Struct, Value};

use super::ports::{NoPort, Ports};
use super::{Refused, Request, Reservation};
use crate::network::service::shape;

/// The first port that a dry run shows: half-way up the usual range.
const FIRST_EXAMPLE: u16 = 32_768;

/// One request's dealings with the pool.
struct Dealings<'a, 'r> {
    pool: &'a mut Ports,
    request: &'a mut Request<'r>,
    /// What this request has taken, or would have taken.
    taken: Vec<u16>,
}

pub(super) fn allocate(
    pool: &mut Ports,
    request: &mut Request<'_>,
    service: &mut Struct,
    old: Option<Ref<'_>>,
    reservation: &mut Reservation,
) -> Result<(), Refused> {
    let taken = Vec::new();
    let mut dealings = Dealings { pool, request, taken };
    let done = dealings.all(service, old);
    let Dealings { request, taken, .. } = dealings;
    if request.dry_run {
        return done;
    }
    reservation.taken_ports = taken;
    let kept = held(Ref::new(request.types, service));
    let had = old.map(held).unwrap_or_default();
    reservation.freed_ports = had.into_iter().filter(|port| !kept.contains(port)).collect();
    done
}

/// The ports that a Service of its type really holds: an old value in a type that has none counts for nothing.
fn held(service: Ref<'_>) -> Vec<u16> {
    let mut ports = if shape::needs_node_port(service) {
        shape::node_ports(service)
    } else {
        Vec::new()
    };
    if shape::needs_health_check(service) {
        ports.push(service.path("spec.healthCheckNodePort").int());
    }
    ports
        .into_iter()
        .filter_map(|port| u16::try_from(port).ok())
        .collect()
}

/// A port of the Service as the client wants it; no node port is 0.
struct Wanted {
    port: i64,
    node_port: i64,
}

impl Wanted {
    fn read(port: Ref<'_>) -> Self {
        let [port, node_port] = ["port", "nodePort"].map(|name| port.at(name).int());
        Self { port, node_port }
    }
}

impl Dealings<'_, '_> {
    fn all(&mut self, service: &mut Struct, old: Option<Ref<'_>>) -> Result<(), Refused> {
        let types = self.request.types;
        if shape::needs_node_port(Ref::new(types, service)) {
            self.ports(service, old)?;
        }
        let needs = shape::needs_health_check(Ref::new(types, service));
        match needs && !old.is_some_and(shape::needs_health_check) {
            true => self.health_check(service),
            false => Ok(()),
        }
    }

    fn ports(&mut self, service: &mut Struct, old: Option<Ref<'_>>) -> Result<(), Refused> {
        let types = self.request.types;
        let read = Ref::new(types, service);
        let wanted: Vec<Wanted> = read.path("spec.ports").items().map(Wanted::read).collect();
        let any = shape::allocates_node_ports(read);
        let given = match old {
            None => self.create(&wanted, any)?,
            Some(old) => self.update(&wanted, any, shape::node_ports(old))?,
        };
        let mut given = given.into_iter();
        cursor::each_mut(types, service, "spec.ports", |port| {
            if let Some(number) = given.next().filter(|number| *number != 0) {
                cursor::set(types, port, "nodePort", Value::Int(number));
            }
        });
        match repeated(Ref::new(types, service)).filter(|_| old.is_some()) {
            Some(pair) => Err(Refused::Internal(format!("duplicate nodePort: {pair}"))),
            None => Ok(()),
        }
    }

    /// Ports of one number and several protocols share a node port.
    fn create(&mut self, wanted: &[Wanted], any: bool) -> Result<Vec<i64>, Refused> {
        let mut given: Vec<i64> = Vec::with_capacity(wanted.len());
        for (at, port) in wanted.iter().enumerate() {
            let earlier = wanted
                .iter()
                .zip(&given)
                .find(|(other, _)| other.port == port.port);
            let known = earlier.map_or(0, |(_, number)| *number);
            let named = || {
                wanted
                    .iter()
                    .find(|other| other.port == port.port && other.node_port != 0)
            };
            given.push(match (port.node_port, known) {
                (0, _) if !any => 0,
                (0, 0) => match named() {
                    Some(sibling) => self.named(sibling.node_port, at)?,
                    None => self.any()?,
                },
                (0, known) => known,
                (number, known) if number == known => number,
                (number, _) => self.named(number, at)?,
            });
        }
        Ok(given)
    }

    /// A port that the Service had is its own already.
    fn update(&mut self, wanted: &[Wanted], any: bool, mut own: Vec<i64>) -> Result<Vec<i64>, Refused> {
        let mut given = Vec::with_capacity(wanted.len());
        for (at, port) in wanted.iter().enumerate() {
            given.push(match port.node_port {
                0 if !any => 0,
                0 => self.any()?,
                number if own.contains(&number) => number,
                number => self.named(number, at)?,
            });
            own.extend(given.last());
        }
        Ok(given)
    }

    fn named(&mut self, number: i64, at: usize) -> Result<i64, Refused> {
        self.take(number).map_err(|why| port_refused(at, number, why))?;
        Ok(number)
    }

    fn any(&mut self) -> Result<i64, Refused> {
        let port = match self.request.dry_run {
            true => Ok(self
                .taken
                .iter()
                .max()
                .map_or(FIRST_EXAMPLE, |port| port.saturating_add(1))),
            false => self.pool.take_any(self.request.rng),
        };
        let refused = |why: NoPort| Refused::Internal(format!("failed to allocate a nodePort: {why}"));
        let port = port.map_err(refused)?;
        self.taken.push(port);
        Ok(port.into())
    }

    fn take(&mut self, port: i64) -> Result<(), NoPort> {
        let port = match self.request.dry_run {
            true => self
                .pool
                .check(port)
                .and_then(|port| match self.taken.contains(&port) {
                    true => Err(NoPort::Allocated),
                    false => Ok(port),
                }),
            false => self.pool.take(port),
        }?;
        self.taken.push(port);
        Ok(())
    }

    fn health_check(&mut self, service: &mut Struct) -> Result<(), Refused> {
        let types = self.request.types;
        let wanted = Ref::new(types, service).path("spec.healthCheckNodePort").int();
        if wanted != 0 {
            let refused = |why: NoPort| {
                Refused::Internal(format!(
                    "failed to allocate requested HealthCheck NodePort {wanted}: {why}"
                ))
            };
            return self.take(wanted).map_err(refused);
        }
        let port = self.any()?;
        cursor::set(types, service, "spec.healthCheckNodePort", Value::Int(port));
        Ok(())
    }
}

fn port_refused(at: usize, number: i64, why: NoPort) -> Refused {
    let path = Path::new("spec").child("ports").index(at).child("nodePort");
    let errors: Errors = vec![Error::invalid(&path, number, why.to_string())];
    errors.into()
}

/// The first pair of protocol and node port that stands twice, as upstream prints it.
fn repeated(service: Ref<'_>) -> Option<String> {
    let mut seen = Vec::new();
    service.path("spec.ports").items().find_map(|port| {
        let pair = (port.at("protocol").str(), port.at("nodePort").int());
        let twice = pair.1 != 0 && seen.contains(&pair);
        seen.push(pair);
        twice.then(|| format!("{{{} {}}}", pair.0, pair.1))
    })
}
