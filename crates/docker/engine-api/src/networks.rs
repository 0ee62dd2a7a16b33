//! Networks: list, inspect, create, connect, disconnect, remove, prune.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use network::{EndpointInfo, Ipam, IpamConfig, Mac, Network, NetworkSpec};
use serde_json::{Value, json};

use crate::Api;
use crate::api::{Deed, blocking, refuse_pod};
use crate::convert::create::go_bool;
use crate::convert::create::networking::endpoint;
use crate::convert::time::rfc3339;
use crate::coverage;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::go_json;
use crate::prune::Prune;
use crate::server::call::Call;
use crate::server::reply::Reply;
use crate::wire::network as wire;

const FILTERS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];

/// `GET /networks`. Before 1.28 the containers were in the list too.
pub(crate) async fn list(call: Call<Api>) -> Result<Reply, ApiError> {
    let filters = Filters::parse(call.query.get("filters"))?;
    filters.accept(FILTERS)?;
    let dangling = filters
        .has("dangling")
        .then(|| filters.bool_or("dangling", false))
        .transpose()?;
    filters.accept_values("type", |value| matches!(value, "builtin" | "custom"))?;
    let api = &call.state;
    let networks = api.networks().list();
    let wanted = networks
        .iter()
        .filter(|network| admits(network, &filters))
        .filter(|network| {
            dangling.is_none_or(|dangling| {
                dangling == (!network.predefined() && api.networks().endpoints(&network.id).is_empty())
            })
        });
    let detailed = !call.version.since(28);
    let rows: Vec<_> = wanted.map(|network| document(api, network, detailed)).collect();
    Reply::json(&rows)
}

fn admits(network: &Network, filters: &Filters) -> bool {
    let kind = if network.predefined() { "builtin" } else { "custom" };
    filters.exact("driver", &network.driver)
        && filters.pattern("name", &network.name)
        && filters.prefix("id", &network.id)
        && filters.labels("label", &network.labels)
        && filters.exact("scope", Network::SCOPE)
        && filters.exact("type", kind)
}

/// `GET /networks/ID`.
pub(crate) async fn inspect(call: Call<Api>) -> Result<Reply, ApiError> {
    if call.name.is_empty() {
        return list(call).await;
    }
    if let Some(verbose) = call.query.text("verbose").filter(|text| go_bool(text).is_none()) {
        let cause = format!("strconv.ParseBool: parsing {verbose:?}: invalid syntax");
        return Err(ApiError::bad(cause).within(&format!("invalid value for verbose: {verbose}")));
    }
    let scope = call.query.text("scope");
    let network = call.state.networks().find(&call.name)?;
    if scope.is_some_and(|scope| scope != Network::SCOPE) {
        return Err(ApiError::not_found(format!("network {} not found", call.name)));
    }
    Reply::json(&document(&call.state, &network, true))
}

/// A network as shown; its containers only where they are asked for.
fn document(api: &Api, network: &Network, detailed: bool) -> Value {
    let created = Timestamp::try_from(network.created).ok();
    let containers: BTreeMap<_, _> = match detailed {
        true => api
            .networks()
            .endpoints(&network.id)
            .into_iter()
            .map(container)
            .collect(),
        false => BTreeMap::new(),
    };
    json!({
        "Name": network.name,
        "Id": network.id,
        "Created": rfc3339(created),
        "Scope": Network::SCOPE,
        "Driver": network.driver,
        "EnableIPv4": network.ipv4,
        "EnableIPv6": network.ipv6,
        "IPAM": ipam(&network.ipam),
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": containers,
        "Options": network.options,
        "Labels": network.labels,
    })
}

fn container(endpoint: EndpointInfo) -> (String, Value) {
    let text = |address: Option<String>| address.unwrap_or_default();
    let mac = Some(endpoint.mac).filter(|mac| *mac != Mac::default());
    let shown = json!({
        "Name": endpoint.container_name,
        "EndpointID": endpoint.endpoint_id,
        "MacAddress": text(mac.map(|mac| mac.to_string())),
        "IPv4Address": text(endpoint.ipv4.map(|(address, length)| format!("{address}/{length}"))),
        "IPv6Address": text(endpoint.ipv6.map(|(address, length)| format!("{address}/{length}"))),
    });
    (endpoint.container_id, shown)
}

fn ipam(ipam: &Ipam) -> wire::Ipam {
    let config = |config: &IpamConfig| wire::IpamConfig {
        subnet: config.subnet.clone(),
        ip_range: config.ip_range.clone(),
        gateway: config.gateway.clone(),
        aux_address: config.aux.clone(),
    };
    wire::Ipam {
        driver: if ipam.driver.is_empty() {
            "default".into()
        } else {
            ipam.driver.clone()
        },
        options: ipam.options.clone(),
        config: Some(ipam.configs.iter().map(config).collect()),
    }
}

/// `POST /networks/create`.
pub(crate) async fn create(call: Call<Api>) -> Result<Reply, ApiError> {
    let (api, since_48) = (call.state.clone(), call.version.since(48));
    let body = call.json_value().await?.unwrap_or_default();
    let asked: wire::NetworkCreate = go_json::decode(body)?;
    refuse_unsupported(&asked)?;
    let spec = spec(asked, since_48);
    let networks = api.networks().clone();
    let network = blocking(move || networks.create(spec)).await?;
    tell(&api, &network, "create");
    Reply::json_with(StatusCode::CREATED, &json!({ "Id": network.id, "Warning": "" }))
}

fn refuse_unsupported(asked: &wire::NetworkCreate) -> Result<(), ApiError> {
    if asked.name.trim().is_empty() {
        return Err(ApiError::bad("network name cannot be empty").within("invalid name"));
    }
    if asked.scope == "swarm" || asked.driver == "overlay" {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            crate::swarm::INACTIVE,
        ));
    }
    coverage::unsupported(
        "NetworkCreate",
        &[
            ("Ingress", asked.ingress),
            ("ConfigOnly", asked.config_only),
            (
                "ConfigFrom",
                asked
                    .config_from
                    .as_ref()
                    .is_some_and(|from| !from.network.is_empty()),
            ),
        ],
    )
}

fn spec(asked: wire::NetworkCreate, since_48: bool) -> NetworkSpec {
    let ipam = asked.ipam.unwrap_or_default();
    let config = |config: wire::IpamConfig| IpamConfig {
        subnet: config.subnet,
        ip_range: config.ip_range,
        gateway: config.gateway,
        aux: config.aux_address,
    };
    NetworkSpec {
        name: asked.name,
        driver: asked.driver,
        internal: asked.internal,
        attachable: asked.attachable,
        ipv4: asked.enable_ipv4.filter(|_| since_48).unwrap_or(true),
        ipv6: asked.enable_ipv6.unwrap_or(false),
        ipam: Ipam {
            driver: ipam.driver,
            configs: ipam.config.unwrap_or_default().into_iter().map(config).collect(),
            options: ipam.options,
        },
        options: asked.options,
        labels: asked.labels,
    }
}

/// `POST /networks/ID/connect`.
pub(crate) async fn connect(call: Call<Api>) -> Result<Reply, ApiError> {
    let (api, name) = (call.state.clone(), call.name.clone());
    let body = call.json_value().await?.unwrap_or_default();
    if let Some(endpoint) = body.get("EndpointConfig") {
        coverage::refuse("NetworkingConfig.EndpointsConfig.*", endpoint)?;
    }
    let asked: wire::Connect = go_json::decode(body)?;
    let network = api.networks().find(&name)?;
    let settings = endpoint(&network.name, asked.endpoint_config.as_ref())?;
    let container = api.find_own(&asked.container, Deed::Connect)?;
    api.engine
        .network_connect(&container.id, &network.id, settings)
        .await?;
    Ok(Reply::empty(StatusCode::OK))
}

/// `POST /networks/ID/disconnect`.
pub(crate) async fn disconnect(call: Call<Api>) -> Result<Reply, ApiError> {
    let (api, name) = (call.state.clone(), call.name.clone());
    let asked: wire::Disconnect = call.json().await?;
    let network = api.networks().find(&name)?;
    // One that is gone may still be taken off by force: the engine knows what to say of it.
    if let Ok(container) = api.find(&asked.container) {
        refuse_pod(&container, Deed::Disconnect)?;
    }
    api.engine
        .network_disconnect(&asked.container, &network.id, asked.force)
        .await?;
    Ok(Reply::empty(StatusCode::OK))
}

/// `DELETE /networks/ID`.
pub(crate) async fn remove(call: Call<Api>) -> Result<Reply, ApiError> {
    let networks = call.state.networks().clone();
    let network = networks.find(&call.name)?;
    let id = network.id.clone();
    blocking(move || networks.remove(&id)).await?;
    tell(&call.state, &network, "destroy");
    Ok(Reply::no_content())
}

fn tell(api: &Api, network: &Network, action: &str) {
    let attributes = [("name", network.name.clone()), ("type", network.driver.clone())];
    api.publish(engine::events::Kind::Network, action, &network.id, attributes);
}

/// `POST /networks/prune`.
pub(crate) async fn prune(call: Call<Api>) -> Result<Reply, ApiError> {
    let prune = Prune::parse(&call.query, &["label", "label!", "until"], call.state.now())?;
    let networks = call.state.networks().clone();
    let deleted = blocking(move || {
        networks.prune(&|network: &Network| {
            prune.admits(Timestamp::try_from(network.created).ok(), &network.labels)
        })
    })
    .await?;
    call.state.publish(
        engine::events::Kind::Network,
        "prune",
        "",
        [("reclaimed", "0".into())],
    );
    Reply::json(&json!({ "NetworksDeleted": Some(deleted).filter(|names| !names.is_empty()) }))
}
