//! The addresses of one Service: `clusterIP`, `clusterIPs`, `ipFamilies`, `ipFamilyPolicy`.

use std::net::IpAddr;

use schema::cursor::{self, Ref};
use schema::field::{BadValue, Error, Path};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::addresses::{Addresses, Family, NotAllocated};
use super::{Refused, Request, Reservation};
use crate::network::service::shape;

/// The four fields, and what decides how they are filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stack {
    pub(super) external: bool,
    pub(super) kind: String,
    pub(super) selectorless: bool,
    pub(super) cluster_ips: Vec<String>,
    pub(super) families: Vec<String>,
    pub(super) policy: String,
}

pub(super) const SINGLE: &str = "SingleStack";
pub(super) const PREFER: &str = "PreferDualStack";
pub(super) const REQUIRE: &str = "RequireDualStack";

impl Stack {
    pub(super) fn read(service: Ref<'_>) -> Self {
        let spec = service.at("spec");
        let texts = |list: &str| spec.at(list).strings().map(str::to_owned).collect();
        Self {
            external: shape::is_external_name(service),
            kind: spec.at("type").str().to_owned(),
            selectorless: spec.at("selector").is_empty(),
            cluster_ips: texts("clusterIPs"),
            families: texts("ipFamilies"),
            policy: spec.at("ipFamilyPolicy").str().to_owned(),
        }
    }

    /// Puts the fields back. `clusterIP` follows the first of `clusterIPs`.
    pub(super) fn write(&self, types: &Types, service: &mut Struct) {
        if self.external {
            return;
        }
        let texts = |list: &[String]| Value::List(list.iter().map(|text| Value::str(text)).collect());
        let lists = [
            ("spec.clusterIPs", &self.cluster_ips),
            ("spec.ipFamilies", &self.families),
        ];
        for (path, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            cursor::set(types, service, path, texts(list));
        }
        if let Some(first) = self.cluster_ips.first() {
            cursor::set(types, service, "spec.clusterIP", Value::str(first));
        }
        if !self.policy.is_empty() {
            cursor::set(types, service, "spec.ipFamilyPolicy", Value::str(&self.policy));
        }
    }

    pub(super) fn is_headless(&self) -> bool {
        self.cluster_ips.first().is_some_and(|first| first == "None")
    }

    /// A `PreferDualStack` Service that is as it was stays as it was, whatever the cluster has become.
    pub(super) fn keeps_preference(&self, old: &Self) -> bool {
        self.policy == PREFER
            && !self.external
            && self.kind == old.kind
            && ["", PREFER].contains(&old.policy.as_str())
            && self.cluster_ips == old.cluster_ips
            && self.families == old.families
    }

    /// Takes the addresses that are missing, notes those that go.
    pub(super) fn allocate(
        &mut self,
        old: Option<&Self>,
        pool: &mut Addresses,
        request: &mut Request<'_>,
        reservation: &mut Reservation,
    ) -> Result<(), Refused> {
        match old {
            Some(old) if self.keeps_preference(old) => Ok(()),
            Some(old) if !old.external => self.change(old, pool, request, reservation),
            _ if self.external || self.is_headless() => Ok(()),
            _ => self.take(0, pool, request, reservation),
        }
    }

    /// An update of a Service that had addresses: it loses all, gains a second, loses the second, or keeps them.
    fn change(
        &mut self,
        old: &Self,
        pool: &mut Addresses,
        request: &mut Request<'_>,
        reservation: &mut Reservation,
    ) -> Result<(), Refused> {
        let gone = match (old.families.len(), self.families.len()) {
            _ if old.is_headless() => &[],
            _ if self.external => old.cluster_ips.as_slice(),
            (1, 2) => return self.take(1, pool, request, reservation),
            (2, 1) => old.cluster_ips.get(1..).unwrap_or_default(),
            _ => &[],
        };
        if !request.dry_run {
            reservation.freed.extend(gone.iter().filter_map(|ip| parse(ip)));
        }
        Ok(())
    }

    /// Takes an address for each family from the `from`-th on.
    fn take(
        &mut self,
        from: usize,
        pool: &mut Addresses,
        request: &mut Request<'_>,
        reservation: &mut Reservation,
    ) -> Result<(), Refused> {
        self.cluster_ips
            .resize(self.families.len().max(self.cluster_ips.len()), String::new());
        for at in from..self.families.len() {
            let address = self.take_one(at, pool, request)?;
            if !request.dry_run {
                reservation.taken.push(address);
            }
            if self.cluster_ips[at].is_empty() {
                self.cluster_ips[at] = address.to_string();
            }
        }
        Ok(())
    }

    fn take_one(
        &self,
        at: usize,
        pool: &mut Addresses,
        request: &mut Request<'_>,
    ) -> Result<IpAddr, Refused> {
        let wanted = &self.cluster_ips[at];
        let none_left =
            |why: NotAllocated| Refused::Internal(format!("failed to allocate a serviceIP: {why}"));
        if wanted.is_empty() {
            let family = Family::named(&self.families[at]).unwrap_or(Family::V4);
            let any = match request.dry_run {
                true => pool.example(family),
                false => pool.take_any(family, request.rng),
            };
            return any.map_err(none_left);
        }
        let malformed = || Refused::Internal(format!("failed to parse service IP {wanted:?}"));
        let address = parse(wanted).ok_or_else(malformed)?;
        let taken = if request.dry_run {
            pool.check(address)
        } else {
            pool.take(address)
        };
        taken.map_err(|why| self.not_given(wanted, &why))?;
        Ok(address)
    }

    fn not_given(&self, wanted: &str, why: &NotAllocated) -> Refused {
        let path = Path::new("spec").child("clusterIPs");
        let detail = format!("failed to allocate IP {wanted}: {why}");
        vec![Error::invalid(&path, list(&self.cluster_ips), detail)].into()
    }
}

/// Texts as an error shows a list of them.
pub(super) fn list(texts: &[String]) -> BadValue {
    let value = Value::List(texts.iter().map(|text| Value::str(text)).collect());
    Ref::of(&schema::BUILTIN, &value).into()
}

fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}
