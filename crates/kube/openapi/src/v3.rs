//! OpenAPI v3: an index, and one document for each group version (KEP-2896).

use schema::BUILTIN;
use schema::resource::type_of_kind;
use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, GroupVersion};
use crate::plain::json as bytes;
use crate::types::Schemas;
use crate::{GIT_VERSION, etag, names, paths};

/// Where a group version's document is, in the index and below `/openapi/v3/`: `apis/apps/v1`, `api/v1`.
fn place(served: &GroupVersion) -> String {
    served.root().trim_start_matches('/').to_owned()
}

impl Catalog {
    /// The group version whose document is at `/openapi/v3/PLACE`.
    pub fn at_place(&self, at: &str) -> Option<&GroupVersion> {
        let mut all = self.groups.iter().flat_map(|group| &group.versions);
        all.find(|served| place(served) == at)
    }

    /// `/openapi/v3`. Documents are long to make, so their hashes are of what they are made from: the rows' names and
    /// this server's version.
    pub fn openapi_index(&self) -> Vec<u8> {
        let all = self.groups.iter().flat_map(|group| &group.versions);
        let entry = |served: &GroupVersion| {
            let at = place(served);
            let url = format!("/openapi/v3/{at}?hash={}", served.hash());
            (at, json!({ "serverRelativeURL": url }))
        };
        let paths: Map<String, Value> = all.map(entry).collect();
        bytes(&json!({ "paths": paths }))
    }
}

impl GroupVersion {
    /// What changes when the document does. Upper-case hexadecimal digits.
    pub fn hash(&self) -> String {
        let mut rows = format!("{GIT_VERSION} {}", self.name());
        for (def, version) in self.resources() {
            rows.push_str(&format!(" {}={:?}", def.plural, version));
        }
        etag(rows.as_bytes())
    }

    /// The document. Custom resources are not in it.
    pub fn openapi(&self) -> Vec<u8> {
        let mut schemas = Schemas::default();
        for kind in ["DeleteOptions", "Status"] {
            if let Some(ty) = type_of_kind("", "v1", kind) {
                schemas.refer(&BUILTIN, ty);
            }
        }
        let paths = paths::of(self, &mut schemas);
        let mut schemas = schemas.finish();
        schemas.insert(names::meta("Patch"), json!({ "type": "object" }));
        bytes(&json!({
            "openapi": "3.0.0",
            "info": { "title": "Kubernetes", "version": GIT_VERSION },
            "paths": paths,
            "components": { "schemas": schemas },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::resource::builtin;
    use std::sync::Arc;

    fn catalog() -> Catalog {
        let rows: Vec<_> = builtin().iter().cloned().map(Arc::new).collect();
        Catalog::new(&rows)
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for group in &catalog().groups {
            for served in &group.versions {
                let text = String::from_utf8(served.openapi()).unwrap();
                let document: Value = serde_json::from_str(&text).unwrap();
                for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
                    let name = reference.split('"').next().unwrap();
                    assert!(
                        document["components"]["schemas"][name].is_object(),
                        "{} {name}",
                        served.name()
                    );
                }
            }
        }
    }

    #[test]
    fn a_pod_is_described_as_upstream_describes_it() {
        let document: Value =
            serde_json::from_slice(&catalog().at_place("api/v1").unwrap().openapi()).unwrap();
        let schemas = &document["components"]["schemas"];
        let spec = &schemas["io.k8s.api.core.v1.PodSpec"];
        assert_eq!(spec["required"], json!(["containers"]));
        let containers = &spec["properties"]["containers"];
        assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
        assert_eq!(containers["x-kubernetes-list-type"], "map");
        assert_eq!(
            containers["items"]["allOf"][0]["$ref"],
            "#/components/schemas/io.k8s.api.core.v1.Container"
        );
        let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
        assert_eq!(patch["operationId"], "patchCoreV1NamespacedPod");
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Pod");
        let names: Vec<_> = patch["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["name"])
            .collect();
        assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    }
}
