//! Objects made, read and changed by the administrator, one request at a time. An empty namespace means none.

use client::{DeleteOptions, Error, ListOptions, Object, PatchKind, Propagation, Resource, WriteOptions};
use serde_json::Value;

use crate::Plane;

impl Plane {
    /// Creates an object, which must work.
    pub fn create(&self, resource: &'static Resource, namespace: &str, object: &Value) -> Object {
        self.try_create(resource, namespace, object).unwrap()
    }

    /// Creates an object.
    ///
    /// # Errors
    /// What the server says against it.
    pub fn try_create(
        &self,
        resource: &'static Resource,
        namespace: &str,
        object: &Value,
    ) -> Result<Object, Error> {
        let (client, namespace, json) = (self.client.clone(), namespace.to_owned(), object.to_string());
        self.run(async move {
            let place = resource.within(&namespace);
            client.create(place, json, &WriteOptions::default()).await
        })
    }

    /// An object, if it is there.
    pub fn get(&self, resource: &'static Resource, namespace: &str, name: &str) -> Option<Value> {
        let (client, namespace, name) = (self.client.clone(), namespace.to_owned(), name.to_owned());
        let got = self.run(async move { client.get(resource.within(&namespace).named(&name)).await });
        match got {
            Ok(object) => Some(object.read().unwrap()),
            Err(error) if error.is_not_found() => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// All objects of a namespace, or of all of them.
    pub fn list(&self, resource: &'static Resource, namespace: &str) -> Vec<Value> {
        let list = self.objects(resource, namespace);
        list.iter().map(|object| object.read().unwrap()).collect()
    }

    /// Their names.
    pub fn names(&self, resource: &'static Resource, namespace: &str) -> Vec<String> {
        self.objects(resource, namespace)
            .iter()
            .map(Object::name)
            .collect()
    }

    fn objects(&self, resource: &'static Resource, namespace: &str) -> Vec<Object> {
        let (client, namespace) = (self.client.clone(), namespace.to_owned());
        let list = self.run(async move {
            let place = resource.within(&namespace);
            client.list_all(place, &ListOptions::default()).await
        });
        list.unwrap().items
    }

    /// Replaces an object, or what is below it.
    pub fn update(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        below: &'static str,
        object: &Value,
    ) {
        let (client, namespace, name) = (self.client.clone(), namespace.to_owned(), name.to_owned());
        let json = object.to_string();
        let updated = self.run(async move {
            let place = resource.within(&namespace).named(&name).below(below);
            client.update(place, json, &WriteOptions::default()).await
        });
        updated.unwrap();
    }

    /// Merges a patch into an object.
    pub fn patch(&self, resource: &'static Resource, namespace: &str, name: &str, patch: &Value) {
        self.patch_below(resource, namespace, name, "", patch);
    }

    /// Merges a patch into what is below an object, such as its status.
    pub fn patch_below(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        below: &'static str,
        patch: &Value,
    ) {
        let (client, namespace, name) = (self.client.clone(), namespace.to_owned(), name.to_owned());
        let json = patch.to_string();
        let patched = self.run(async move {
            let place = resource.within(&namespace).named(&name).below(below);
            let options = WriteOptions::default();
            client.patch(place, PatchKind::Merge, json, &options).await
        });
        patched.unwrap();
    }

    /// Deletes an object with the grace that it asks for.
    pub fn delete(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        propagation_policy: Option<Propagation>,
    ) {
        let options = DeleteOptions {
            propagation_policy,
            ..DeleteOptions::default()
        };
        self.delete_with(resource, namespace, name, options);
    }

    /// Deletes an object with this grace, in seconds.
    pub fn delete_within(&self, grace: i64, resource: &'static Resource, namespace: &str, name: &str) {
        let options = DeleteOptions {
            grace_period_seconds: Some(grace),
            ..DeleteOptions::default()
        };
        self.delete_with(resource, namespace, name, options);
    }

    fn delete_with(&self, resource: &'static Resource, namespace: &str, name: &str, options: DeleteOptions) {
        let (client, namespace, name) = (self.client.clone(), namespace.to_owned(), name.to_owned());
        let deleted = self.run(async move {
            let place = resource.within(&namespace).named(&name);
            client.delete(place, &options).await
        });
        deleted.unwrap();
    }
}
