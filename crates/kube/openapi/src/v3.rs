//! OpenAPI v3: an index, and one document for each group version (KEP-2896).

use schema::resource::ResourceDef;
use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, GroupVersion};
use crate::descriptions::Descriptions;
use crate::plain::json as bytes;
use crate::types::Schemas;
use crate::{GIT_VERSION, etag, paths, roots};

/// The schema (`openAPIV3Schema`) of a custom resource's version, as far as it is published.
pub type CustomSchema<'a> = &'a dyn Fn(&ResourceDef, &str) -> Option<Value>;

/// A number that changes whenever a custom resource's schemas do; 0 for built-in resources.
pub type Stamp<'a> = &'a dyn Fn(&ResourceDef) -> u64;

/// Where a group version's document is, in the index and below `/openapi/v3/`: `apis/apps/v1`, `api/v1`.
fn place(served: &GroupVersion) -> String {
    served.root().trim_start_matches('/').to_owned()
}

impl Catalog {
    fn versions(&self) -> impl Iterator<Item = &GroupVersion> {
        self.groups.iter().flat_map(|group| &group.versions)
    }

    /// `/openapi/v3`
    pub fn openapi_index(&self, stamp: Stamp<'_>) -> Vec<u8> {
        let places = self.versions().map(place).chain(roots::places(self));
        let entry = |at: String| {
            let url = format!("/openapi/v3/{at}?hash={}", self.openapi_hash(&at, stamp));
            (at, json!({ "serverRelativeURL": url }))
        };
        let paths: Map<String, Value> = places.map(entry).collect();
        bytes(&json!({ "paths": paths }))
    }

    /// What changes when the document at a place does. Documents are long to make, so it is a hash of what they are
    /// made from: the rows, and this server's version. Upper-case hexadecimal digits.
    pub fn openapi_hash(&self, at: &str, stamp: Stamp<'_>) -> String {
        let mut rows = format!("{GIT_VERSION} {at}");
        for (def, version) in self
            .versions()
            .filter(|served| place(served) == at)
            .flat_map(GroupVersion::resources)
        {
            rows.push_str(&format!(" {}={:?} {}", def.plural, version, stamp(def)));
        }
        etag(rows.as_bytes())
    }

    /// The document at `/openapi/v3/AT`.
    pub fn openapi(&self, at: &str, custom: CustomSchema<'_>) -> Option<Vec<u8>> {
        Some(bytes(&self.document(at, custom, &Descriptions::unpack())?))
    }

    /// Every document.
    pub(crate) fn documents(&self, custom: CustomSchema<'_>) -> Vec<Value> {
        let descriptions = Descriptions::unpack();
        let places = self.versions().map(place).chain(roots::places(self));
        places
            .filter_map(|at| self.document(&at, custom, &descriptions))
            .collect()
    }

    fn document(&self, at: &str, custom: CustomSchema<'_>, descriptions: &Descriptions) -> Option<Value> {
        let mut schemas = Schemas::new(descriptions);
        let paths = match self.versions().find(|served| place(served) == at) {
            Some(served) => {
                schemas.basics();
                let mut paths = paths::of(served, &mut schemas, custom);
                paths.extend([roots::of_version(served, &mut schemas)]);
                Value::Object(paths)
            }
            None => roots::at(self, at, &mut schemas)?,
        };
        Some(json!({
            "openapi": "3.0.0",
            "info": { "title": "Kubernetes", "version": GIT_VERSION },
            "paths": paths,
            "components": {
                "schemas": schemas.finish(),
                "securitySchemes": {
                    "BearerToken": {
                        "type": "apiKey",
                        "description": "Bearer Token authentication",
                        "name": "authorization",
                        "in": "header",
                    },
                },
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::custom::Rows;
    use schema::resource::builtin;
    use schema::row::TypesRef;
    use std::sync::Arc;

    fn catalog() -> Catalog {
        let rows: Vec<_> = builtin().iter().cloned().map(Arc::new).collect();
        Catalog::new(&rows)
    }

    fn parsed(at: &str) -> Value {
        serde_json::from_slice(&catalog().openapi(at, &|_, _| None).unwrap()).unwrap()
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for document in catalog().documents(&|_, _| None) {
            let text = document.to_string();
            for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
                let name = reference.split('"').next().unwrap();
                assert!(document["components"]["schemas"][name].is_object(), "{name}");
            }
        }
    }

    #[test]
    fn a_pod_is_described_as_upstream_describes_it() {
        let document = parsed("api/v1");
        let schemas = &document["components"]["schemas"];
        let spec = &schemas["io.k8s.api.core.v1.PodSpec"];
        assert_eq!(spec["required"], json!(["containers"]));
        let containers = &spec["properties"]["containers"];
        assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
        assert_eq!(containers["x-kubernetes-list-type"], "map");
        assert!(
            containers["description"]
                .as_str()
                .unwrap()
                .starts_with("List of containers")
        );
        assert_eq!(
            containers["items"]["allOf"][0]["$ref"],
            "#/components/schemas/io.k8s.api.core.v1.Container"
        );
        let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
        assert_eq!(patch["operationId"], "patchCoreV1NamespacedPod");
        assert_eq!(patch["description"], "partially update the specified Pod");
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Pod");
        let parameters = patch["parameters"].as_array().unwrap();
        let names: Vec<_> = parameters.iter().map(|it| &it["name"]).collect();
        assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    }

    #[test]
    fn a_custom_kind_brings_its_schema() {
        let mut row = builtin()
            .iter()
            .find(|def| def.plural == "configmaps")
            .unwrap()
            .clone();
        row.group = "stable.example.com".into();
        row.types = TypesRef::Shared(Arc::new(Rows::new().unwrap().finish()));
        let catalog = Catalog::new(&[Arc::new(row)]);
        let schema = json!({ "type": "object", "properties": { "spec": { "type": "string" } } });
        let bytes = catalog
            .openapi("apis/stable.example.com/v1", &|_, _| Some(schema.clone()))
            .unwrap();
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let made = &document["components"]["schemas"]["com.example.stable.v1.ConfigMap"];
        assert_eq!(made["properties"]["spec"], json!({ "type": "string" }));
        assert_eq!(made["properties"]["kind"], json!({ "type": "string" }));
        assert_eq!(
            made["x-kubernetes-group-version-kind"][0]["group"],
            "stable.example.com"
        );
    }
}
