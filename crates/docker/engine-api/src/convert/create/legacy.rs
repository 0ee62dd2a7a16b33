//! What the same words mean in older versions of the API, and what has moved since.

use crate::error::ApiError;
use crate::server::version::ApiVersion;
use crate::wire::host_config::Mount;
use crate::wire::network::EndpointSettings;

use super::CreateRequest;
use super::checks::refuse;
use super::networking::is_user_defined;

/// Makes an older client's request mean what that client meant; the warnings for newer ones.
pub(super) fn adapt(request: &mut CreateRequest, version: ApiVersion) -> Result<Vec<String>, ApiError> {
    let host = &mut request.host;
    if !version.since(25) {
        host.auto_remove = false;
    }
    if !version.since(40) {
        host.kernel_memory_tcp = 0;
        if host.ipc_mode.is_empty() {
            host.ipc_mode = "shareable".into();
        }
    }
    if !version.since(42) {
        host.console_size = [0, 0];
    } else {
        host.kernel_memory = 0;
    }
    if !version.since(43) {
        host.annotations = None;
    }
    host.mounts
        .iter_mut()
        .flatten()
        .try_for_each(|mount| adapt_mount(mount, version))?;
    if !version.since(44) {
        older_than_44(request)?;
    }
    if !version.since(48) {
        request
            .networking
            .endpoints_config
            .values_mut()
            .flatten()
            .for_each(|settings| settings.gw_priority = 0);
    }
    let mut warnings = Vec::new();
    warnings.extend(volume_driver(request, version));
    warnings.extend(mac_address(request, version)?);
    warnings.extend(interface_sysctls(request, version)?);
    Ok(warnings)
}

fn adapt_mount(mount: &mut Mount, version: ApiVersion) -> Result<(), ApiError> {
    if !version.since(42) {
        mount.volume_options.take_if(|_| mount.kind != "volume");
        mount.tmpfs_options.take_if(|_| mount.kind != "tmpfs");
        if let Some(options) = &mut mount.bind_options {
            options.create_mountpoint = false;
            options.non_recursive &= version.since(40);
        }
    } else {
        let kind = &mount.kind;
        refuse([
            (
                mount.volume_options.is_some() && kind != "volume",
                format!("VolumeOptions must not be specified on mount type {kind:?}"),
            ),
            (
                mount.bind_options.is_some() && kind != "bind",
                format!("BindOptions must not be specified on mount type {kind:?}"),
            ),
            (
                mount.tmpfs_options.is_some() && kind != "tmpfs",
                format!("TmpfsOptions must not be specified on mount type {kind:?}"),
            ),
        ])?;
    }
    let forced = mount
        .bind_options
        .as_ref()
        .is_some_and(|options| options.read_only_force_recursive);
    let subpath = mount
        .volume_options
        .as_ref()
        .is_some_and(|options| !options.subpath.is_empty());
    refuse([
        (
            forced && !version.since(44),
            "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer",
        ),
        (
            subpath && !version.since(45),
            "VolumeOptions.Subpath needs API v1.45 or newer",
        ),
        (
            mount.kind == "image" && !version.since(48),
            "Mount type \"Image\" needs API v1.48 or newer",
        ),
    ])
}

fn older_than_44(request: &mut CreateRequest) -> Result<(), ApiError> {
    if let Some(check) = &mut request.config.healthcheck {
        check.start_interval = 0;
    }
    let names: Vec<_> = request
        .networking
        .endpoints_config
        .keys()
        .map(String::as_str)
        .collect();
    refuse([(
        names.len() > 1,
        format!(
            "Container cannot be created with multiple network endpoints: {}",
            names.join(", ")
        ),
    )])
}

fn volume_driver(request: &CreateRequest, version: ApiVersion) -> Option<String> {
    let host = &request.host;
    let driven = |mount: &Mount| {
        let config = mount
            .volume_options
            .as_ref()
            .and_then(|options| options.driver_config.as_ref());
        config.is_some_and(|config| !config.name.is_empty())
    };
    let mut volumes = host
        .mounts
        .iter()
        .flatten()
        .filter(|mount| mount.kind == "volume");
    (!host.volume_driver.is_empty() && version.since(48) && volumes.any(|mount| !driven(mount))).then(|| {
        "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. \
         Use '--mount type=volume,volume-driver=...' instead"
            .into()
    })
}

/// The endpoint of the network the mode names, made when there is none.
fn main_endpoint(
    request: &mut CreateRequest,
    version: ApiVersion,
) -> Result<&mut EndpointSettings, ApiError> {
    let mode = request.host.network_mode.clone();
    let all = &mut request.networking.endpoints_config;
    let name = match all.keys().next() {
        Some(only) if !version.since(44) => only.clone(),
        Some(_) if !all.contains_key(&mode) => {
            return Err(ApiError::bad(
                "HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks",
            ));
        }
        _ => mode,
    };
    Ok(all.entry(name).or_default().get_or_insert_default())
}

/// The container-wide hardware address moved to the endpoint in 1.44.
fn mac_address(request: &mut CreateRequest, version: ApiVersion) -> Result<Option<String>, ApiError> {
    let address = request.config.mac_address.clone();
    let own_network = request.host.network_mode == "bridge" || is_user_defined(&request.host.network_mode);
    if address.is_empty() {
        if !version.since(44) {
            request
                .networking
                .endpoints_config
                .values_mut()
                .flatten()
                .for_each(|settings| settings.mac_address.clear());
        }
        return Ok(None);
    }
    if !version.since(44) && !own_network {
        return Err(ApiError::bad(
            "conflicting options: mac-address and the network mode",
        ));
    }
    if own_network {
        let endpoint = main_endpoint(request, version)?;
        if version.since(44) && !endpoint.mac_address.is_empty() && endpoint.mac_address != address {
            return Err(ApiError::bad(
                "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty",
            ));
        }
        endpoint.mac_address = address;
    }
    if !version.since(44) {
        return Ok(None);
    }
    request.config.mac_address.clear();
    Ok(Some("The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.".into()))
}

/// `net.*.*.ethN.*` names an interface, which exists only once the network does: 1.46 moved it to
/// the endpoint.
fn interface_sysctls(request: &mut CreateRequest, version: ApiVersion) -> Result<Option<String>, ApiError> {
    const OPTION: &str = "com.docker.network.endpoint.sysctls";
    let of_interface = |name: &str| {
        let parts: Vec<_> = name.splitn(5, '.').collect();
        matches!(parts[..], ["net", _, _, interface, _] if interface.starts_with("eth"))
    };
    let sysctls = request.host.sysctls.get_or_insert_default();
    let moved: Vec<_> = sysctls
        .keys()
        .filter(|name| of_interface(name))
        .cloned()
        .collect();
    if sysctls.is_empty() {
        request.host.sysctls = None;
    }
    let Some(first) = moved.first() else {
        return Ok(None);
    };
    if version.since(48) {
        return Err(ApiError::internal(format!(
            "interface specific sysctl setting {first:?} must be supplied using driver option '{OPTION}'"
        )));
    }
    if let Some(other) = moved.iter().find(|name| name.split('.').nth(3) != Some("eth0")) {
        return Err(ApiError::internal(format!(
            "unable to determine network endpoint for sysctl {other}, use driver option '{OPTION}' to set per-interface sysctls"
        )));
    }
    let values = moved.iter().filter_map(|name| {
        Some(format!(
            "{}={}",
            name.replace(".eth0.", ".IFNAME."),
            request.host.sysctls.as_mut()?.remove(name)?
        ))
    });
    let mut option = values.collect::<Vec<_>>().join(",");
    let warning = format!(
        "Migrated sysctl {:?} to DriverOpts{{{OPTION:?}:{option:?}}}.",
        moved.join(",")
    );
    let options = main_endpoint(request, version)?
        .driver_opts
        .get_or_insert_default();
    if let Some(own) = options.get(OPTION) {
        option = format!("{option},{own}");
    }
    options.insert(OPTION.into(), option);
    Ok(Some(warning))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn adapted(
        host: Value,
        config: Value,
        endpoints: Value,
        minor: u32,
    ) -> (CreateRequest, Result<Vec<String>, String>) {
        let mut request = CreateRequest {
            config: serde_json::from_value(config).unwrap(),
            host: serde_json::from_value(host).unwrap(),
            networking: serde_json::from_value(json!({"EndpointsConfig": endpoints})).unwrap(),
        };
        let outcome = adapt(&mut request, ApiVersion { major: 1, minor }).map_err(|error| error.message);
        (request, outcome)
    }

    #[test]
    fn older_versions_mean_less() {
        let host = json!({"AutoRemove": true, "ConsoleSize": [1, 2], "Annotations": {"a": "b"}});
        let (request, _) = adapted(host.clone(), json!({}), json!({}), 24);
        assert!(!request.host.auto_remove && request.host.annotations.is_none());
        assert_eq!(
            (request.host.console_size, request.host.ipc_mode.as_str()),
            ([0, 0], "shareable")
        );
        let (request, _) = adapted(host, json!({}), json!({}), 50);
        assert!(request.host.auto_remove && request.host.annotations.is_some());
        assert_eq!(request.host.ipc_mode, "");
    }

    #[test]
    fn newer_features_are_refused_to_older_clients() {
        for (mount, minor, sentence) in [
            (
                json!({"Type": "tmpfs", "BindOptions": {}}),
                42,
                "BindOptions must not be specified on mount type \"tmpfs\"",
            ),
            (
                json!({"Type": "volume", "VolumeOptions": {"Subpath": "a"}}),
                44,
                "VolumeOptions.Subpath needs API v1.45 or newer",
            ),
            (
                json!({"Type": "image"}),
                47,
                "Mount type \"Image\" needs API v1.48 or newer",
            ),
            (
                json!({"Type": "bind", "BindOptions": {"ReadOnlyForceRecursive": true}}),
                43,
                "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer",
            ),
        ] {
            assert_eq!(
                adapted(json!({"Mounts": [mount]}), json!({}), json!({}), minor).1,
                Err(sentence.into())
            );
        }
        let two = adapted(json!({}), json!({}), json!({"a": {}, "b": {}}), 43).1;
        assert_eq!(
            two,
            Err("Container cannot be created with multiple network endpoints: a, b".into())
        );
    }

    #[test]
    fn the_hardware_address_moves_to_the_endpoint() {
        let config = json!({"MacAddress": "02:00:00:00:00:01"});
        let (request, outcome) = adapted(json!({"NetworkMode": "bridge"}), config.clone(), json!({}), 44);
        assert_eq!(outcome.unwrap().len(), 1);
        let endpoint = request.networking.endpoints_config["bridge"].as_ref().unwrap();
        assert_eq!(
            (endpoint.mac_address.as_str(), request.config.mac_address.as_str()),
            ("02:00:00:00:00:01", "")
        );
        let (request, outcome) = adapted(json!({"NetworkMode": "bridge"}), config.clone(), json!({}), 43);
        assert_eq!(
            (outcome, request.config.mac_address.is_empty()),
            (Ok(vec![]), false)
        );
        let refused = adapted(json!({"NetworkMode": "host"}), config, json!({}), 43).1;
        assert_eq!(
            refused,
            Err("conflicting options: mac-address and the network mode".into())
        );
    }

    #[test]
    fn interface_sysctls_move_to_the_endpoint() {
        let host = json!({"NetworkMode": "bridge", "Sysctls": {"net.ipv4.conf.eth0.rp_filter": "0", "net.core.somaxconn": "9"}});
        let (request, outcome) = adapted(host.clone(), json!({}), json!({}), 46);
        assert!(outcome.unwrap()[0].starts_with("Migrated sysctl"));
        let endpoint = request.networking.endpoints_config["bridge"].as_ref().unwrap();
        let option = &endpoint.driver_opts.as_ref().unwrap()["com.docker.network.endpoint.sysctls"];
        assert_eq!(option, "net.ipv4.conf.IFNAME.rp_filter=0");
        assert_eq!(request.host.sysctls.unwrap().len(), 1);
        assert!(
            adapted(host, json!({}), json!({}), 48)
                .1
                .unwrap_err()
                .contains("must be supplied using driver option")
        );
    }
}
