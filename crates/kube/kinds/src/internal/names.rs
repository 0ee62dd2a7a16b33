//! Where upstream's internal types differ from what clients see: Go's names, and the order of members.

/// Members whose Go name is not their JSON name with a capital.
const NAMES: [(&str, &str); 64] = [
    ("apiGroup", "APIGroup"),
    ("apiGroups", "APIGroups"),
    ("apiServerID", "APIServerID"),
    ("apiVersion", "APIVersion"),
    ("apiVersions", "APIVersions"),
    ("awsElasticBlockStore", "AWSElasticBlockStore"),
    ("bool", "BoolValue"),
    ("bools", "BoolValues"),
    ("caBundle", "CABundle"),
    ("cel", "CEL"),
    ("cephfs", "CephFS"),
    ("chapAuthDiscovery", "DiscoveryCHAPAuth"),
    ("chapAuthSession", "SessionCHAPAuth"),
    ("cidr", "CIDR"),
    ("cidrs", "CIDRs"),
    ("csi", "CSI"),
    ("diskURI", "DataDiskURI"),
    ("dnsConfig", "DNSConfig"),
    ("dnsPolicy", "DNSPolicy"),
    ("externalID", "DoNotUseExternalID"),
    ("fc", "FC"),
    ("fsGroup", "FSGroup"),
    ("fsGroupChangePolicy", "FSGroupChangePolicy"),
    ("fsGroupPolicy", "FSGroupPolicy"),
    ("fsType", "FSType"),
    ("gcePersistentDisk", "GCEPersistentDisk"),
    ("gid", "GID"),
    ("gmsaCredentialSpec", "GMSACredentialSpec"),
    ("gmsaCredentialSpecName", "GMSACredentialSpecName"),
    ("grpc", "GRPC"),
    ("http", "HTTP"),
    ("httpGet", "HTTPGet"),
    ("httpHeaders", "HTTPHeaders"),
    ("int", "IntValue"),
    ("ints", "IntValues"),
    ("ip", "IP"),
    ("ipBlock", "IPBlock"),
    ("ipFamilies", "IPFamilies"),
    ("ipFamilyPolicy", "IPFamilyPolicy"),
    ("ipMode", "IPMode"),
    ("ips", "IPs"),
    ("iqn", "IQN"),
    ("iscsi", "ISCSI"),
    ("iscsiInterface", "ISCSIInterface"),
    ("jsonPatch", "JSONPatch"),
    ("nfs", "NFS"),
    ("os", "OS"),
    ("osImage", "OSImage"),
    ("pdName", "PDName"),
    ("pkixPublicKey", "PKIXPublicKey"),
    ("qosClass", "QOSClass"),
    ("rbd", "RBD"),
    ("seLinuxChangePolicy", "SELinuxChangePolicy"),
    ("seLinuxMount", "SELinuxMount"),
    ("seLinuxOptions", "SELinuxOptions"),
    ("sslEnabled", "SSLEnabled"),
    ("storageos", "StorageOS"),
    ("string", "StringValue"),
    ("strings", "StringValues"),
    ("tcpSocket", "TCPSocket"),
    ("tls", "TLS"),
    ("tty", "TTY"),
    ("uid", "UID"),
    ("url", "URL"),
];

/// The same for members of one type.
const OF_TYPES: [(&str, &str, &str); 12] = [
    ("DeviceAttribute", "version", "VersionValue"),
    ("DeviceAttribute", "versions", "VersionValues"),
    ("GlusterfsPersistentVolumeSource", "endpoints", "EndpointsName"),
    ("GlusterfsVolumeSource", "endpoints", "EndpointsName"),
    ("RBDPersistentVolumeSource", "image", "RBDImage"),
    ("RBDPersistentVolumeSource", "monitors", "CephMonitors"),
    ("RBDPersistentVolumeSource", "pool", "RBDPool"),
    ("RBDPersistentVolumeSource", "user", "RadosUser"),
    ("RBDVolumeSource", "image", "RBDImage"),
    ("RBDVolumeSource", "monitors", "CephMonitors"),
    ("RBDVolumeSource", "pool", "RBDPool"),
    ("RBDVolumeSource", "user", "RadosUser"),
];

/// The Go name of a type's member.
pub(super) fn go_name(ty: &str, json: &str) -> String {
    let of_type = OF_TYPES
        .iter()
        .find(|(name, member, _)| (*name, *member) == (ty, json));
    if let Some((_, _, go)) = of_type {
        return (*go).to_owned();
    }
    if let Ok(at) = NAMES.binary_search_by(|(member, _)| (*member).cmp(json)) {
        return NAMES[at].1.to_owned();
    }
    let mut chars = json.chars();
    let capital = chars.next().map(|first| first.to_ascii_uppercase());
    capital.into_iter().chain(chars).collect()
}

/// A part of an internal struct.
pub(super) enum Own {
    /// A member of this JSON name.
    Member(&'static str),
    /// All members but these, in the order of the rows.
    Others(&'static [&'static str]),
    /// The security context of a pod with what the spec lends it.
    Lent,
}

/// Members of a pod's spec that are its security context's in the internal version.
pub(super) const LENT: [&str; 5] = [
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "shareProcessNamespace",
    "hostUsers",
];

/// The security context's own.
pub(super) const SECURITY: [&str; 13] = [
    "seLinuxOptions",
    "windowsOptions",
    "runAsUser",
    "runAsGroup",
    "runAsNonRoot",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "seccompProfile",
    "appArmorProfile",
    "seLinuxChangePolicy",
];

const POD_SPEC: &[Own] = &[
    Own::Member("volumes"),
    Own::Member("initContainers"),
    Own::Member("containers"),
    Own::Member("ephemeralContainers"),
    Own::Member("restartPolicy"),
    Own::Member("terminationGracePeriodSeconds"),
    Own::Member("activeDeadlineSeconds"),
    Own::Member("dnsPolicy"),
    Own::Member("nodeSelector"),
    Own::Member("serviceAccountName"),
    Own::Member("automountServiceAccountToken"),
    Own::Member("nodeName"),
    Own::Lent,
    Own::Member("imagePullSecrets"),
    Own::Member("hostname"),
    Own::Member("subdomain"),
    Own::Member("setHostnameAsFQDN"),
    Own::Member("affinity"),
    Own::Member("schedulerName"),
    Own::Member("tolerations"),
    Own::Member("hostAliases"),
    Own::Member("priorityClassName"),
    Own::Member("priority"),
    Own::Member("preemptionPolicy"),
    Own::Member("dnsConfig"),
    Own::Member("readinessGates"),
    Own::Member("runtimeClassName"),
    Own::Member("overhead"),
    Own::Member("enableServiceLinks"),
    Own::Member("topologySpreadConstraints"),
    Own::Member("os"),
    Own::Member("schedulingGates"),
    Own::Member("resourceClaims"),
    Own::Member("resources"),
    Own::Member("hostnameOverride"),
    Own::Member("schedulingGroup"),
];

const VOLUME: &[Own] = &[
    Own::Member("name"),
    Own::Member("hostPath"),
    Own::Member("emptyDir"),
    Own::Member("gcePersistentDisk"),
    Own::Member("awsElasticBlockStore"),
    Own::Member("gitRepo"),
    Own::Member("secret"),
    Own::Member("nfs"),
    Own::Member("iscsi"),
    Own::Member("glusterfs"),
    Own::Member("persistentVolumeClaim"),
    Own::Member("rbd"),
    Own::Member("quobyte"),
    Own::Member("flexVolume"),
    Own::Member("cinder"),
    Own::Member("cephfs"),
    Own::Member("flocker"),
    Own::Member("downwardAPI"),
    Own::Member("fc"),
    Own::Member("azureFile"),
    Own::Member("configMap"),
    Own::Member("vsphereVolume"),
    Own::Member("azureDisk"),
    Own::Member("photonPersistentDisk"),
    Own::Member("projected"),
    Own::Member("portworxVolume"),
    Own::Member("scaleIO"),
    Own::Member("storageos"),
    Own::Member("csi"),
    Own::Member("ephemeral"),
    Own::Member("image"),
];

/// The order of an internal struct's members, where it is not that of the rows.
pub(super) fn own(package: &str, name: &str) -> &'static [Own] {
    match (package, name) {
        ("core/v1", "PodSpec") => POD_SPEC,
        ("core/v1", "Volume") => VOLUME,
        ("core/v1", "NodeSpec") => &[Own::Others(&["podCIDR"])],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_gos() {
        assert!(NAMES.is_sorted_by(|one, other| one.0 < other.0));
        assert_eq!(go_name("Container", "imagePullPolicy"), "ImagePullPolicy");
        assert_eq!(go_name("PodSpec", "dnsPolicy"), "DNSPolicy");
        assert_eq!(go_name("RBDVolumeSource", "monitors"), "CephMonitors");
        assert_eq!(go_name("CephFSVolumeSource", "monitors"), "Monitors");
    }

    #[test]
    fn every_member_of_a_type_with_an_order_of_its_own_is_in_it() {
        let types = &schema::BUILTIN;
        for (name, order, left) in [
            ("PodSpec", POD_SPEC, &["serviceAccount", "securityContext"][..]),
            ("Volume", VOLUME, &[][..]),
        ] {
            let ty = types.find("core/v1", name).unwrap();
            let listed = |json: &str| {
                let own = |part: &Own| matches!(part, Own::Member(member) if *member == json);
                order.iter().any(own) || LENT.contains(&json) || left.contains(&json)
            };
            for field in types.fields(ty) {
                assert!(
                    listed(types.name(field.json)),
                    "{name}.{}",
                    types.name(field.json)
                );
            }
        }
        let ty = types.find("core/v1", "PodSecurityContext").unwrap();
        assert_eq!(types.fields(ty).len(), SECURITY.len());
    }
}
