//! Every namespace has the ConfigMap `kube-root-ca.crt`, by which pods know the API server (upstream's
//! `rootcacertpublisher`).

use std::sync::Arc;

use client::{Change, Resource};
use schema::object::Obj;
use serde_json::{Value, json};

use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{editable, split, target};
use crate::resources::{CONFIG_MAPS, NAMESPACES};
use crate::service_account::lacking;
use crate::world::{Tracked, World};

const NAME: &str = "kube-root-ca.crt";
const ANNOTATION: &str = "kubernetes.io/description";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
                           endpoints such as the internal service IP or kubernetes.default.svc. No other usage is \
                           guaranteed across distributions of Kubernetes clusters.";

/// Publishes a bundle. Keys are namespaces.
pub(crate) struct RootCa {
    pub(crate) bundle: String,
}

impl Controller for RootCa {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "root-ca-cert-publisher";
    const WORKERS: usize = 1;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == NAMESPACES || *resource == CONFIG_MAPS
    }

    fn touch(&self, _: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        touched.now.extend(lacking(of, change, NAME));
        if let Some(map) = &change.object
            && of.is(&CONFIG_MAPS)
        {
            let (namespace, name) = split(&map.key);
            touched.now.extend((name == NAME).then(|| namespace.into()));
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let namespace = cx.world.objects(&NAMESPACES).get(key).cloned();
        let map = cx
            .world
            .objects(&CONFIG_MAPS)
            .get(&format!("{key}/{NAME}"))
            .cloned();
        cx.perform(self.plan(namespace.as_deref(), map.as_deref())?)
            .await?;
        Ok(Next::Done)
    }
}

impl RootCa {
    fn plan(&self, namespace: Option<&Obj>, map: Option<&Obj>) -> Result<Option<Action>, Failed> {
        let living = |object: &&Obj| object.meta.deletion_timestamp.is_none();
        let Some(namespace) = namespace.filter(living) else {
            return Ok(None);
        };
        match map {
            Some(map) => self.correct(map),
            None => Ok(Some(self.create(&namespace.meta.name))),
        }
    }

    fn create(&self, namespace: &str) -> Action {
        Action::Create {
            resource: CONFIG_MAPS.clone(),
            namespace: namespace.to_owned(),
            object: json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {
                    "name": NAME, "namespace": namespace, "annotations": {ANNOTATION: DESCRIPTION},
                },
                "data": {"ca.crt": self.bundle},
            }),
        }
    }

    /// Puts back what somebody has changed.
    fn correct(&self, map: &Obj) -> Result<Option<Action>, Failed> {
        let mut object = editable(&CONFIG_MAPS, map)?;
        let data = json!({"ca.crt": self.bundle});
        let described = object["metadata"]["annotations"][ANNOTATION] == DESCRIPTION;
        if object["data"] == data && described {
            return Ok(None);
        }
        object["data"] = data;
        if !object["metadata"]["annotations"].is_object() {
            object["metadata"]["annotations"] = json!({});
        }
        object["metadata"]["annotations"][ANNOTATION] = Value::from(DESCRIPTION);
        Ok(Some(Action::Update {
            target: target(&CONFIG_MAPS, &map.meta),
            object,
        }))
    }
}
