//! What a pod would need the API for (upstream's `podutil.HasAPIObjectReference`). A pod from a file may name none of it.

use schema::cursor::Ref;

/// Members of a volume, or of a source of a projected one, and what they name.
const VOLUMES: [(&str, &str); 5] = [
    ("secret", "secrets"),
    ("configMap", "configmaps"),
    ("persistentVolumeClaim", "persistentvolumeclaims"),
    ("ephemeral", "persistentvolumeclaims"),
    ("csi.nodePublishSecretRef", "secrets"),
];
const SOURCES: [(&str, &str); 5] = [
    ("secret", "secrets"),
    ("configMap", "configmaps"),
    ("serviceAccountToken", "serviceaccounts"),
    ("clusterTrustBundle", "clustertrustbundles"),
    ("podCertificate", "podcertificates"),
];

/// The same of a variable and of a source of many.
const VARIABLES: [(&str, &str); 2] = [
    ("valueFrom.secretKeyRef", "secrets"),
    ("valueFrom.configMapKeyRef", "configmaps"),
];
const ENVIRONMENTS: [(&str, &str); 2] = [("secretRef", "secrets"), ("configMapRef", "configmaps")];

/// The kind of the first object that a pod names.
pub(crate) fn first(pod: Ref<'_>) -> Option<&'static str> {
    let spec = pod.at("spec");
    let own = [
        ("serviceAccountName", "serviceaccounts"),
        ("imagePullSecrets", "secrets"),
        ("resourceClaims", "resourceclaims"),
    ];
    let named = own.into_iter().find(|(member, _)| !spec.at(member).is_empty());
    named
        .map(|(_, what)| what)
        .or_else(|| containers(spec).find_map(of_container))
        .or_else(|| spec.at("volumes").items().find_map(of_volume))
}

fn containers(spec: Ref<'_>) -> impl Iterator<Item = Ref<'_>> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    lists.into_iter().flat_map(move |list| spec.at(list).items())
}

fn of_container(container: Ref<'_>) -> Option<&'static str> {
    let mut from = container.at("envFrom").items();
    let mut each = container.at("env").items();
    from.find_map(|from| of(from, &ENVIRONMENTS))
        .or_else(|| each.find_map(|variable| of(variable, &VARIABLES)))
}

fn of_volume(volume: Ref<'_>) -> Option<&'static str> {
    let mut sources = volume.path("projected.sources").items();
    of(volume, &VOLUMES).or_else(|| sources.find_map(|source| of(source, &SOURCES)))
}

fn of(object: Ref<'_>, table: &[(&str, &'static str)]) -> Option<&'static str> {
    let mut named = table.iter().filter(|(path, _)| object.path(path).exists());
    named.next().map(|(_, what)| *what)
}
