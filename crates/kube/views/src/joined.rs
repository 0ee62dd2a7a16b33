//! Services and the slices of each: who belongs to whom, whatever of them comes first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schema::object::Obj;

use crate::{ServiceView, SliceView};

/// `namespace/name` of a service, whether it is there or only slices of it are.
pub type ServiceKey = Box<str>;

/// All services and slices. What is not readable is not there.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    services: BTreeMap<ServiceKey, Arc<ServiceView>>,
    slices: BTreeMap<ServiceKey, BTreeMap<Box<str>, Arc<SliceView>>>,
    /// Which service each slice was last of.
    owners: BTreeMap<Box<str>, ServiceKey>,
}

impl Joined {
    /// A service by its key as it is now; none if it is gone.
    pub fn set_service(&mut self, key: &str, now: Option<&Obj>) {
        match now.and_then(|object| object.view().ok()) {
            Some(view) => drop(self.services.insert(key.into(), view)),
            None => drop(self.services.remove(key)),
        }
    }

    /// A slice by its key as it is now; none if it is gone. Answers which services it was and is of.
    pub fn set_slice(&mut self, key: &str, now: Option<&Obj>) -> Vec<ServiceKey> {
        let before = self.owners.remove(key);
        if let Some(owner) = &before {
            self.forget(owner, key);
        }
        let owned = now.and_then(owned);
        let after = owned.as_ref().map(|(owner, _)| owner.clone());
        if let Some((owner, view)) = owned {
            self.owners.insert(key.into(), owner.clone());
            self.slices.entry(owner).or_default().insert(key.into(), view);
        }
        before.into_iter().chain(after).collect()
    }

    /// Forgets all services; answers which.
    pub fn clear_services(&mut self) -> BTreeSet<ServiceKey> {
        std::mem::take(&mut self.services).into_keys().collect()
    }

    /// Forgets all slices; answers of which services.
    pub fn clear_slices(&mut self) -> BTreeSet<ServiceKey> {
        self.owners.clear();
        std::mem::take(&mut self.slices).into_keys().collect()
    }

    /// A service that is there.
    pub fn service(&self, key: &str) -> Option<&ServiceView> {
        self.services.get(key).map(|view| &**view)
    }

    /// The slices of a service, by their names.
    pub fn slices(&self, key: &str) -> impl Iterator<Item = &SliceView> {
        let slices = self.slices.get(key).into_iter().flat_map(BTreeMap::values);
        slices.map(|slice| &**slice)
    }

    fn forget(&mut self, owner: &str, slice: &str) {
        if let Some(slices) = self.slices.get_mut(owner) {
            slices.remove(slice);
            if slices.is_empty() {
                self.slices.remove(owner);
            }
        }
    }
}

fn owned(slice: &Obj) -> Option<(ServiceKey, Arc<SliceView>)> {
    let view = slice.view::<SliceView>().ok()?;
    let owner = format!("{}/{}", slice.meta.namespace, view.service);
    (!view.service.is_empty()).then(|| (owner.into(), view))
}
