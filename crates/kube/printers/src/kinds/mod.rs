//! The table of kinds: which columns each has, and the function that writes its cells.

mod admission;
mod authority;
mod cluster;
mod config;
mod controllers;
mod devices;
mod events;
mod flow;
mod job;
mod metrics;
mod network;
mod node;
mod pod;
mod storage;

use crate::{Cells, Column, Row};

/// How a kind is printed.
#[derive(Debug)]
pub struct Printer {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// `pods`
    pub plural: &'static str,
    /// The columns, in order.
    pub columns: &'static [Column],
    pub(crate) print: fn(&Row<'_>, &mut Cells<'_>),
}

const fn row(
    group: &'static str,
    plural: &'static str,
    columns: &'static [Column],
    print: fn(&Row<'_>, &mut Cells<'_>),
) -> Printer {
    Printer {
        group,
        plural,
        columns,
        print,
    }
}

const NAME: Column = Column::new("Name", "string", "name", 0, "The object's name.");
const AGE: Column = Column::text("Age", "The time since the object was created.");
const CONTAINERS: Column = Column::wide("Containers", "Names of each container in the template.");
const IMAGES: Column = Column::wide("Images", "Images referenced by each container in the template.");
const SELECTOR: Column = Column::wide("Selector", "Which pods belong to the object.");

/// Upstream's table for kinds without a printer.
static DEFAULT: Printer = row("", "", DEFAULT_COLUMNS, default);
const DEFAULT_COLUMNS: &[Column] = &[NAME, CREATED_AT];
const CREATED_AT: Column = Column::new("Created At", "date", "", 0, "When the object was created.");

fn default(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells
        .name(row)
        .text_or(row.at("metadata.creationTimestamp").str(), "0001-01-01T00:00:00Z");
}

/// The path `scale` of whatever has one.
pub static SCALE: Printer = row("autoscaling", "scale", SCALE_COLUMNS, |row, cells| {
    cells
        .name(row)
        .int(row.at("spec.replicas").int())
        .int(row.at("status.replicas").int())
        .age(row);
});

const SCALE_COLUMNS: &[Column] = &[
    Column::text("Name", "The object's name."),
    Column::int("Desired", "How many instances are wanted."),
    Column::int("Available", "How many instances there are."),
    AGE,
];

/// The printer of a built-in resource; upstream's default one for what has none of its own.
pub fn printer(group: &str, plural: &str) -> &'static Printer {
    let key = |printer: &&Printer| (printer.group, printer.plural).cmp(&(group, plural));
    match PRINTERS.binary_search_by(|printer| key(&printer)) {
        Ok(at) => &PRINTERS[at],
        Err(_) => &DEFAULT,
    }
}

/// Sorted by (group, plural).
static PRINTERS: &[Printer] = &[
    row(
        "",
        "componentstatuses",
        cluster::COMPONENT_STATUS,
        cluster::component_status,
    ),
    row("", "configmaps", config::CONFIG_MAP, config::config_map),
    row("", "endpoints", network::ENDPOINTS, network::endpoints),
    row("", "events", events::EVENT, events::event),
    row("", "namespaces", cluster::NAMESPACE, cluster::namespace),
    row("", "nodes", node::NODE, node::node),
    row("", "persistentvolumeclaims", storage::CLAIM, storage::claim),
    row("", "persistentvolumes", storage::VOLUME, storage::volume),
    row("", "pods", pod::POD, pod::pod),
    row(
        "",
        "podtemplates",
        controllers::POD_TEMPLATE,
        controllers::pod_template,
    ),
    row(
        "",
        "replicationcontrollers",
        controllers::REPLICA_SET,
        controllers::replication_controller,
    ),
    row(
        "",
        "resourcequotas",
        config::RESOURCE_QUOTA,
        config::resource_quota,
    ),
    row("", "secrets", config::SECRET, config::secret),
    row(
        "",
        "serviceaccounts",
        config::SERVICE_ACCOUNT,
        config::service_account,
    ),
    row("", "services", network::SERVICE, network::service),
    row(
        ADMISSION,
        "mutatingadmissionpolicies",
        admission::MUTATING_POLICY,
        admission::mutating_policy,
    ),
    row(
        ADMISSION,
        "mutatingadmissionpolicybindings",
        admission::BINDING,
        admission::binding,
    ),
    row(
        ADMISSION,
        "mutatingwebhookconfigurations",
        admission::WEBHOOKS,
        admission::webhooks,
    ),
    row(
        ADMISSION,
        "validatingadmissionpolicies",
        admission::VALIDATING_POLICY,
        admission::validating_policy,
    ),
    row(
        ADMISSION,
        "validatingadmissionpolicybindings",
        admission::BINDING,
        admission::binding,
    ),
    row(
        ADMISSION,
        "validatingwebhookconfigurations",
        admission::WEBHOOKS,
        admission::webhooks,
    ),
    row(
        "apiregistration.k8s.io",
        "apiservices",
        cluster::API_SERVICE,
        cluster::api_service,
    ),
    row(
        "apps",
        "controllerrevisions",
        controllers::REVISION,
        controllers::revision,
    ),
    row(
        "apps",
        "daemonsets",
        controllers::DAEMON_SET,
        controllers::daemon_set,
    ),
    row(
        "apps",
        "deployments",
        controllers::DEPLOYMENT,
        controllers::deployment,
    ),
    row(
        "apps",
        "replicasets",
        controllers::REPLICA_SET,
        controllers::replica_set,
    ),
    row(
        "apps",
        "statefulsets",
        controllers::STATEFUL_SET,
        controllers::stateful_set,
    ),
    row(
        "autoscaling",
        "horizontalpodautoscalers",
        metrics::AUTOSCALER,
        metrics::autoscaler,
    ),
    row("batch", "cronjobs", job::CRON_JOB, job::cron_job),
    row("batch", "jobs", job::JOB, job::job),
    row(
        CERTIFICATES,
        "certificatesigningrequests",
        authority::SIGNING_REQUEST,
        authority::signing_request,
    ),
    row(
        CERTIFICATES,
        "clustertrustbundles",
        authority::TRUST_BUNDLE,
        authority::trust_bundle,
    ),
    row(
        CERTIFICATES,
        "podcertificaterequests",
        authority::POD_CERTIFICATE,
        authority::pod_certificate,
    ),
    row(
        "coordination.k8s.io",
        "leasecandidates",
        cluster::LEASE_CANDIDATE,
        cluster::lease_candidate,
    ),
    row("coordination.k8s.io", "leases", cluster::LEASE, cluster::lease),
    row(
        "discovery.k8s.io",
        "endpointslices",
        network::ENDPOINT_SLICE,
        network::endpoint_slice,
    ),
    row("events.k8s.io", "events", events::EVENT, events::event),
    row(FLOW, "flowschemas", flow::SCHEMA, flow::schema),
    row(
        FLOW,
        "prioritylevelconfigurations",
        flow::PRIORITY_LEVEL,
        flow::priority_level,
    ),
    row(
        "internal.apiserver.k8s.io",
        "storageversions",
        cluster::STORAGE_VERSION,
        cluster::storage_version,
    ),
    row(
        "networking.k8s.io",
        "ingressclasses",
        network::INGRESS_CLASS,
        network::ingress_class,
    ),
    row(
        "networking.k8s.io",
        "ingresses",
        network::INGRESS,
        network::ingress,
    ),
    row(
        "networking.k8s.io",
        "ipaddresses",
        network::IP_ADDRESS,
        network::ip_address,
    ),
    row(
        "networking.k8s.io",
        "networkpolicies",
        network::POLICY,
        network::policy,
    ),
    row(
        "networking.k8s.io",
        "servicecidrs",
        network::SERVICE_CIDR,
        network::service_cidr,
    ),
    row(
        "node.k8s.io",
        "runtimeclasses",
        node::RUNTIME_CLASS,
        node::runtime_class,
    ),
    row(
        "policy",
        "poddisruptionbudgets",
        controllers::DISRUPTION_BUDGET,
        controllers::disruption_budget,
    ),
    row(
        RBAC,
        "clusterrolebindings",
        authority::ROLE_BINDING,
        authority::role_binding,
    ),
    row(
        RBAC,
        "rolebindings",
        authority::ROLE_BINDING,
        authority::role_binding,
    ),
    row(
        "resource.k8s.io",
        "deviceclasses",
        devices::NAME_AND_AGE,
        devices::name_and_age,
    ),
    row(
        "resource.k8s.io",
        "devicetaintrules",
        devices::TAINT_RULE,
        devices::taint_rule,
    ),
    row(
        "resource.k8s.io",
        "resourceclaims",
        devices::CLAIM,
        devices::claim,
    ),
    row(
        "resource.k8s.io",
        "resourceclaimtemplates",
        devices::NAME_AND_AGE,
        devices::name_and_age,
    ),
    row(
        "resource.k8s.io",
        "resourceslices",
        devices::SLICE,
        devices::slice,
    ),
    row(
        "scheduling.k8s.io",
        "priorityclasses",
        config::PRIORITY_CLASS,
        config::priority_class,
    ),
    row("storage.k8s.io", "csidrivers", storage::DRIVER, storage::driver),
    row("storage.k8s.io", "csinodes", storage::CSI_NODE, storage::csi_node),
    row(
        "storage.k8s.io",
        "csistoragecapacities",
        storage::CAPACITY,
        storage::capacity,
    ),
    row("storage.k8s.io", "storageclasses", storage::CLASS, storage::class),
    row(
        "storage.k8s.io",
        "volumeattachments",
        storage::ATTACHMENT,
        storage::attachment,
    ),
    row(
        "storage.k8s.io",
        "volumeattributesclasses",
        storage::ATTRIBUTES,
        storage::attributes,
    ),
    row(
        "storagemigration.k8s.io",
        "storageversionmigrations",
        cluster::MIGRATION,
        cluster::migration,
    ),
];

const ADMISSION: &str = "admissionregistration.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

#[cfg(test)]
mod tests {
    use super::*;
    use schema::BUILTIN;
    use schema::cursor::Ref;
    use schema::resource::by_resource;
    use schema::tree::Struct;

    #[test]
    fn rows_are_sorted_and_of_resources_that_exist() {
        assert!(PRINTERS.is_sorted_by_key(|it| (it.group, it.plural)));
        let known: Vec<_> = schema::resource::builtin()
            .iter()
            .map(|def| (&*def.group, &*def.plural))
            .collect();
        for printer in PRINTERS {
            assert!(known.contains(&(printer.group, printer.plural)), "{printer:?}");
        }
    }

    #[test]
    fn an_empty_object_has_a_cell_for_each_column() {
        for printer in PRINTERS.iter().chain([&SCALE, &DEFAULT]) {
            let def = schema::resource::builtin()
                .iter()
                .find(|def| (&*def.group, &*def.plural) == (printer.group, printer.plural));
            let ty = def.map_or_else(
                || by_resource("", "v1", "pods").unwrap().1.schema,
                |def| def.versions[0].schema,
            );
            let empty = Struct::new(ty);
            let mut out = vec![b'['];
            let row = Row {
                object: Ref::new(&BUILTIN, &empty),
                now: 0,
            };
            (printer.print)(&row, &mut Cells::new(&mut out));
            out.push(b']');
            let cells: Vec<serde_json::Value> = serde_json::from_slice(&out).unwrap();
            assert_eq!(cells.len(), printer.columns.len(), "{}", printer.plural);
        }
    }
}
