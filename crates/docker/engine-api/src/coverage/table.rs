//! What becomes of each property of a create request.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One property.
#[derive(Debug)]
pub(crate) struct Row {
    /// Where it is: `[]` is an element, `*` a name of the user's choice.
    pub path: &'static str,
    /// What becomes of it.
    pub standing: Standing,
}

/// What becomes of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does what upstream's does; the test shows its way into the specification or the answer.
    Honoured(&'static str),
    /// It does nothing upstream either, for this reason.
    Inert(&'static str),
    /// Anything but its default is refused.
    Refused,
    /// Honoured, but for these values, which are refused.
    RefusedValue(&'static [&'static str]),
}

use Standing::{Honoured, Inert, Refused, RefusedValue};

/// Tests that show properties honoured.
const MERGED: &str = "what_the_request_says_wins";
const COMMAND: &str = "the_command_is_the_requests_or_the_images";
const REQUEST: &str = "every_property_reaches_the_specification";

const HEALTH: &str = "health_has_defaults_and_can_be_none";
const PORTS: &str = "bindings_are_read";
const BINDS: &str = "binds_are_read";
const MOUNTS: &str = "mounts_are_read";
const LOGS: &str = "logs_are_rotated_and_labelled";
const NAMESPACES: &str = "names_of_containers_become_ids";
const SECURITY: &str = "security_options_are_read";
const NETWORKS: &str = "the_mode_names_the_first_network";
const ENDPOINT: &str = "an_endpoint_has_what_was_asked_for";

const CLIENT: &str = "kept and shown; only clients act on it";
const WINDOWS: &str = "for Windows containers";
const SHOWN: &str = "set by the engine and shown; what a client sends is not used";

macro_rules! rows {
    ($($path:literal $standing:expr;)*) => { &[$(Row { path: $path, standing: $standing }),*] };
}

/// Every property, in upstream's order.
pub(crate) const TABLE: &[Row] = rows! {
    "Config.Hostname" Honoured(REQUEST);
    "Config.Domainname" Honoured(REQUEST);
    "Config.User" Honoured(MERGED);
    "Config.AttachStdin" Inert(CLIENT);
    "Config.AttachStdout" Inert(CLIENT);
    "Config.AttachStderr" Inert(CLIENT);
    "Config.ExposedPorts" Honoured("ranges_are_spelled_out");
    "Config.Tty" Honoured(REQUEST);
    "Config.OpenStdin" Honoured(REQUEST);
    "Config.StdinOnce" Honoured(REQUEST);
    "Config.Env" Honoured(MERGED);
    "Config.Cmd" Honoured(COMMAND);
    "Config.Healthcheck" Honoured(HEALTH);
    "Config.Healthcheck.Test" Honoured(HEALTH);
    "Config.Healthcheck.Interval" Honoured(HEALTH);
    "Config.Healthcheck.Timeout" Honoured(HEALTH);
    "Config.Healthcheck.Retries" Honoured(HEALTH);
    "Config.Healthcheck.StartPeriod" Honoured(HEALTH);
    "Config.Healthcheck.StartInterval" Honoured(HEALTH);
    "Config.ArgsEscaped" Inert(WINDOWS);
    "Config.Image" Honoured(REQUEST);
    "Config.Volumes" Honoured("the_images_volumes_come_where_nothing_else_is");
    "Config.WorkingDir" Honoured(MERGED);
    "Config.Entrypoint" Honoured(COMMAND);
    "Config.NetworkDisabled" Honoured(REQUEST);
    "Config.MacAddress" Honoured("the_hardware_address_moves_to_the_endpoint");
    "Config.OnBuild" Inert("kept and shown; an image's instructions run in builds, not in containers");
    "Config.Labels" Honoured(MERGED);
    "Config.StopSignal" Honoured(REQUEST);
    "Config.StopTimeout" Honoured(MERGED);
    "Config.Shell" Honoured(HEALTH);

    "HostConfig.CpuShares" Honoured(REQUEST);
    "HostConfig.Memory" Honoured(REQUEST);
    "HostConfig.CgroupParent" Honoured(REQUEST);
    "HostConfig.BlkioWeight" Honoured(REQUEST);
    "HostConfig.BlkioWeightDevice" Honoured(REQUEST);
    "HostConfig.BlkioWeightDevice[].Path" Honoured(REQUEST);
    "HostConfig.BlkioWeightDevice[].Weight" Honoured(REQUEST);
    "HostConfig.BlkioDeviceReadBps" Honoured(REQUEST);
    "HostConfig.BlkioDeviceReadBps[].Path" Honoured(REQUEST);
    "HostConfig.BlkioDeviceReadBps[].Rate" Honoured(REQUEST);
    "HostConfig.BlkioDeviceWriteBps" Honoured(REQUEST);
    "HostConfig.BlkioDeviceWriteBps[].Path" Honoured(REQUEST);
    "HostConfig.BlkioDeviceWriteBps[].Rate" Honoured(REQUEST);
    "HostConfig.BlkioDeviceReadIOps" Honoured(REQUEST);
    "HostConfig.BlkioDeviceReadIOps[].Path" Honoured(REQUEST);
    "HostConfig.BlkioDeviceReadIOps[].Rate" Honoured(REQUEST);
    "HostConfig.BlkioDeviceWriteIOps" Honoured(REQUEST);
    "HostConfig.BlkioDeviceWriteIOps[].Path" Honoured(REQUEST);
    "HostConfig.BlkioDeviceWriteIOps[].Rate" Honoured(REQUEST);
    "HostConfig.CpuPeriod" Honoured(REQUEST);
    "HostConfig.CpuQuota" Honoured(REQUEST);
    "HostConfig.CpuRealtimePeriod" Honoured(REQUEST);
    "HostConfig.CpuRealtimeRuntime" Honoured(REQUEST);
    "HostConfig.CpusetCpus" Honoured(REQUEST);
    "HostConfig.CpusetMems" Honoured(REQUEST);
    "HostConfig.Devices" Honoured("devices_have_defaults");
    "HostConfig.Devices[].PathOnHost" Honoured("devices_have_defaults");
    "HostConfig.Devices[].PathInContainer" Honoured("devices_have_defaults");
    "HostConfig.Devices[].CgroupPermissions" Honoured("devices_have_defaults");
    "HostConfig.DeviceCgroupRules" Honoured(REQUEST);
    "HostConfig.DeviceRequests" Refused;
    "HostConfig.DeviceRequests[].Driver" Refused;
    "HostConfig.DeviceRequests[].Count" Refused;
    "HostConfig.DeviceRequests[].DeviceIDs" Refused;
    "HostConfig.DeviceRequests[].Capabilities" Refused;
    "HostConfig.DeviceRequests[].Options" Refused;
    "HostConfig.KernelMemory" Inert("removed in 1.42; kernels since 5.4 take no such limit and upstream discards it");
    "HostConfig.KernelMemoryTCP" Refused;
    "HostConfig.MemoryReservation" Honoured(REQUEST);
    "HostConfig.MemorySwap" Honoured(REQUEST);
    "HostConfig.MemorySwappiness" Honoured("no_limit_is_said_in_many_ways");
    "HostConfig.NanoCpus" Honoured(REQUEST);
    "HostConfig.OomKillDisable" Honoured(REQUEST);
    "HostConfig.Init" Honoured(REQUEST);
    "HostConfig.PidsLimit" Honoured("no_limit_is_said_in_many_ways");
    "HostConfig.Ulimits" Honoured(REQUEST);
    "HostConfig.Ulimits[].Name" Honoured(REQUEST);
    "HostConfig.Ulimits[].Soft" Honoured(REQUEST);
    "HostConfig.Ulimits[].Hard" Honoured(REQUEST);
    "HostConfig.CpuCount" Inert(WINDOWS);
    "HostConfig.CpuPercent" Inert("for Windows containers; a warning says that it is discarded");
    "HostConfig.IOMaximumIOps" Honoured("what_makes_no_sense_is_refused_in_upstreams_words");
    "HostConfig.IOMaximumBandwidth" Honoured("what_makes_no_sense_is_refused_in_upstreams_words");
    "HostConfig.Binds" Honoured(BINDS);
    "HostConfig.ContainerIDFile" Inert(CLIENT);
    "HostConfig.LogConfig" Honoured(LOGS);
    "HostConfig.LogConfig.Type" RefusedValue(&["local", "syslog", "journald", "gelf", "fluentd", "awslogs", "splunk", "gcplogs", "etwlogs"]);
    "HostConfig.LogConfig.Config" Honoured(LOGS);
    "HostConfig.NetworkMode" Honoured(NETWORKS);
    "HostConfig.PortBindings" Honoured(PORTS);
    "HostConfig.PortBindings.*[].HostIp" Honoured(PORTS);
    "HostConfig.PortBindings.*[].HostPort" Honoured(PORTS);
    "HostConfig.RestartPolicy" Honoured(REQUEST);
    "HostConfig.RestartPolicy.Name" Honoured(REQUEST);
    "HostConfig.RestartPolicy.MaximumRetryCount" Honoured(REQUEST);
    "HostConfig.AutoRemove" Honoured(REQUEST);
    "HostConfig.VolumeDriver" Honoured(BINDS);
    "HostConfig.VolumesFrom" Honoured("volumes_from_has_a_mode");
    "HostConfig.Mounts" Honoured(MOUNTS);
    "HostConfig.Mounts[].Target" Honoured(MOUNTS);
    "HostConfig.Mounts[].Source" Honoured(MOUNTS);
    "HostConfig.Mounts[].Type" RefusedValue(&["image", "cluster", "npipe"]);
    "HostConfig.Mounts[].ReadOnly" Honoured(MOUNTS);
    "HostConfig.Mounts[].Consistency" Inert("for Docker Desktop's file sharing");
    "HostConfig.Mounts[].BindOptions" Honoured(MOUNTS);
    "HostConfig.Mounts[].BindOptions.Propagation" Honoured(MOUNTS);
    "HostConfig.Mounts[].BindOptions.NonRecursive" Honoured(MOUNTS);
    "HostConfig.Mounts[].BindOptions.CreateMountpoint" Honoured(MOUNTS);
    "HostConfig.Mounts[].BindOptions.ReadOnlyNonRecursive" Honoured(MOUNTS);
    "HostConfig.Mounts[].BindOptions.ReadOnlyForceRecursive" Inert("every kernel we run on can, so that read-only is recursive anyway");
    "HostConfig.Mounts[].VolumeOptions" Honoured(MOUNTS);
    "HostConfig.Mounts[].VolumeOptions.NoCopy" Honoured(MOUNTS);
    "HostConfig.Mounts[].VolumeOptions.Labels" Honoured(MOUNTS);
    "HostConfig.Mounts[].VolumeOptions.DriverConfig" Honoured(MOUNTS);
    "HostConfig.Mounts[].VolumeOptions.DriverConfig.Name" Honoured(MOUNTS);
    "HostConfig.Mounts[].VolumeOptions.DriverConfig.Options" Honoured(MOUNTS);
    "HostConfig.Mounts[].VolumeOptions.Subpath" Honoured(MOUNTS);
    "HostConfig.Mounts[].ImageOptions" Refused;
    "HostConfig.Mounts[].ImageOptions.Subpath" Refused;
    "HostConfig.Mounts[].TmpfsOptions" Honoured(MOUNTS);
    "HostConfig.Mounts[].TmpfsOptions.SizeBytes" Honoured(MOUNTS);
    "HostConfig.Mounts[].TmpfsOptions.Mode" Honoured(MOUNTS);
    "HostConfig.Mounts[].TmpfsOptions.Options" Honoured(MOUNTS);
    "HostConfig.ConsoleSize" Honoured(REQUEST);
    "HostConfig.Annotations" Honoured(REQUEST);
    "HostConfig.CapAdd" Honoured(REQUEST);
    "HostConfig.CapDrop" Honoured(REQUEST);
    "HostConfig.CgroupnsMode" Honoured(REQUEST);
    "HostConfig.Dns" Honoured(REQUEST);
    "HostConfig.DnsOptions" Honoured(REQUEST);
    "HostConfig.DnsSearch" Honoured(REQUEST);
    "HostConfig.ExtraHosts" Honoured(REQUEST);
    "HostConfig.GroupAdd" Honoured(REQUEST);
    "HostConfig.IpcMode" Honoured(NAMESPACES);
    "HostConfig.Cgroup" Inert("kept and shown; nothing of upstream's reads it");
    "HostConfig.Links" Honoured("links_have_an_alias");
    "HostConfig.OomScoreAdj" Honoured(REQUEST);
    "HostConfig.PidMode" Honoured(NAMESPACES);
    "HostConfig.Privileged" Honoured(REQUEST);
    "HostConfig.PublishAllPorts" Honoured(REQUEST);
    "HostConfig.ReadonlyRootfs" Honoured(REQUEST);
    "HostConfig.SecurityOpt" Honoured(SECURITY);
    "HostConfig.StorageOpt" Refused;
    "HostConfig.Tmpfs" Honoured(MOUNTS);
    "HostConfig.UTSMode" Honoured(REQUEST);
    "HostConfig.UsernsMode" Honoured(REQUEST);
    "HostConfig.ShmSize" Honoured(REQUEST);
    "HostConfig.Sysctls" Honoured(REQUEST);
    "HostConfig.Runtime" Honoured("what_makes_no_sense_is_refused_in_upstreams_words");
    "HostConfig.Isolation" Honoured("what_makes_no_sense_is_refused_in_upstreams_words");
    "HostConfig.MaskedPaths" Honoured(REQUEST);
    "HostConfig.ReadonlyPaths" Honoured(REQUEST);

    "NetworkingConfig.EndpointsConfig" Honoured(NETWORKS);
    "NetworkingConfig.EndpointsConfig.*.IPAMConfig" Honoured(ENDPOINT);
    "NetworkingConfig.EndpointsConfig.*.IPAMConfig.IPv4Address" Honoured(ENDPOINT);
    "NetworkingConfig.EndpointsConfig.*.IPAMConfig.IPv6Address" Honoured(ENDPOINT);
    "NetworkingConfig.EndpointsConfig.*.IPAMConfig.LinkLocalIPs" Refused;
    "NetworkingConfig.EndpointsConfig.*.Links" Honoured(ENDPOINT);
    "NetworkingConfig.EndpointsConfig.*.MacAddress" Honoured(ENDPOINT);
    "NetworkingConfig.EndpointsConfig.*.Aliases" Honoured(ENDPOINT);
    "NetworkingConfig.EndpointsConfig.*.DriverOpts" Honoured(ENDPOINT);
    "NetworkingConfig.EndpointsConfig.*.GwPriority" Honoured(ENDPOINT);
    "NetworkingConfig.EndpointsConfig.*.NetworkID" Inert(SHOWN);
    "NetworkingConfig.EndpointsConfig.*.EndpointID" Inert(SHOWN);
    "NetworkingConfig.EndpointsConfig.*.Gateway" Inert(SHOWN);
    "NetworkingConfig.EndpointsConfig.*.IPAddress" Inert(SHOWN);
    "NetworkingConfig.EndpointsConfig.*.IPPrefixLen" Inert(SHOWN);
    "NetworkingConfig.EndpointsConfig.*.IPv6Gateway" Inert(SHOWN);
    "NetworkingConfig.EndpointsConfig.*.GlobalIPv6Address" Inert(SHOWN);
    "NetworkingConfig.EndpointsConfig.*.GlobalIPv6PrefixLen" Inert(SHOWN);
    "NetworkingConfig.EndpointsConfig.*.DNSNames" Inert(SHOWN);
};

/// Rows by path in lower case: names match in any case.
static BY_PATH: LazyLock<HashMap<String, &'static Row>> = LazyLock::new(|| {
    TABLE
        .iter()
        .map(|row| (row.path.to_ascii_lowercase(), row))
        .collect()
});

/// The row of a property.
pub(crate) fn find(path: &str) -> Option<&'static Row> {
    BY_PATH.get(&path.to_ascii_lowercase()).copied()
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    const FACTS: &str = include_str!("../../facts/create-properties.tsv");
    /// Properties that older versions have and the specification has dropped.
    const DROPPED: [&str; 3] = [
        "Config.MacAddress",
        "HostConfig.KernelMemory",
        "HostConfig.KernelMemoryTCP",
    ];

    #[test]
    fn every_property_of_the_specification_has_a_row() {
        let facts: BTreeSet<_> = FACTS
            .lines()
            .filter_map(|line| line.split('\t').next())
            .chain(DROPPED)
            .collect();
        let rows: BTreeSet<_> = TABLE.iter().map(|row| row.path).collect();
        assert_eq!(rows.len(), TABLE.len(), "a property has two rows");
        assert_eq!(
            facts.difference(&rows).collect::<Vec<_>>(),
            Vec::<&&str>::new(),
            "without a row"
        );
        assert_eq!(
            rows.difference(&facts).collect::<Vec<_>>(),
            Vec::<&&str>::new(),
            "not in the specification"
        );
    }

    #[test]
    fn every_test_that_a_row_names_exists() {
        let source = sources(&["src"]);
        for row in TABLE {
            if let Honoured(test) = row.standing {
                assert!(
                    source.contains(&format!("fn {test}()")),
                    "{} names {test}",
                    row.path
                );
            }
        }
    }

    /// All that is written in some directories, seen from the crate's own.
    pub(in crate::coverage) fn sources(directories: &[&str]) -> String {
        let mut source = String::new();
        for directory in directories {
            read(
                &Path::new(env!("CARGO_MANIFEST_DIR")).join(directory),
                &mut source,
            );
        }
        source
    }

    fn read(directory: &Path, source: &mut String) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, source);
            } else {
                source.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    /// `UPDATE_COVERAGE=1 cargo nextest run -p engine-api coverage` writes the page anew.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "updating is a flag of the test's own")]
    fn the_page_is_fresh() {
        let page = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/coverage.md"));
        if std::env::var_os("UPDATE_COVERAGE").is_some() {
            std::fs::write(page, print()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(page).unwrap_or_default(), print());
    }

    fn print() -> String {
        let count = |wanted: fn(&Standing) -> bool| TABLE.iter().filter(|row| wanted(&row.standing)).count();
        let mut page = format!(
            "# Coverage\n\nWhat becomes of each property of `POST /containers/create`. Printed from\n\
             `crates/docker/engine-api/src/coverage/table.rs`; the properties are those of upstream's\n\
             specification (`crates/docker/engine-api/facts`).\n\n\
             {} honoured, {} inert by upstream's own definition, {} refused with 501 unless they have their default.\n\n\
             | property | what becomes of it |\n|---|---|\n",
            count(|standing| matches!(standing, Honoured(_) | RefusedValue(_))),
            count(|standing| matches!(standing, Inert(_))),
            count(|standing| matches!(standing, Refused)),
        );
        for row in TABLE {
            let text = match row.standing {
                Honoured(test) => format!("honoured: `{test}`"),
                Inert(why) => format!("inert: {why}"),
                Refused => "refused".into(),
                RefusedValue(words) => format!("honoured, but refused: `{}`", words.join("`, `")),
            };
            page.push_str(&format!("| `{}` | {text} |\n", row.path));
        }
        page + &crate::coverage::disk::print()
    }
}
