//! A pod as those see it who want something of its kubelet: its container, its node, and what that answers.

use bytes::Bytes;
use http::{Method, Request, Response};
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{self, Options};
use schema::resource::type_of_kind;
use schema::status::{GroupName, Status};
use schema::tree::Struct;

use crate::nodes::{NodeTarget, Upgrade};
use crate::outbound::OutboundError;
use crate::registry::{Live, Op};
use crate::server::State;
use crate::{Answer, Body};

/// The kubelet's port, unless its node says another.
const KUBELET: u16 = 10_250;

const NODES: GroupName<'_> = GroupName {
    group: "",
    name: "nodes",
};

/// The object of a call, as it stands.
///
/// # Errors
/// 404
pub(super) async fn live(op: &Op<'_>, name: &str) -> Answer<Struct> {
    let live = Live::read(op, name).await?;
    let live = live.ok_or_else(|| Status::not_found(op.served.group_resource(), name))?;
    Ok(live.tree)
}

/// The container that is meant: the one that is named, or the only one there is.
///
/// # Errors
/// 400
pub(super) fn container(pod: Ref<'_>, asked: &str) -> Answer<String> {
    let name = pod.path("metadata.name").str();
    let of = |list: &str| pod.at("spec").at(list).items().map(|each| each.at("name").str());
    let all: Vec<&str> = ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .flat_map(of)
        .collect();
    if !asked.is_empty() {
        if all.contains(&asked) {
            return Ok(asked.to_owned());
        }
        let why = format!("container {asked} is not valid for pod {name}");
        return Err(Status::bad_request(why).into());
    }
    let mut regular = of("containers");
    match (regular.next(), regular.next()) {
        (Some(only), None) => Ok(only.to_owned()),
        (None, _) => {
            let why = format!("a container name must be specified for pod {name}");
            Err(Status::bad_request(why).into())
        }
        _ => {
            let all = all.join(" ");
            let why = format!("a container name must be specified for pod {name}, choose one of: [{all}]");
            Err(Status::bad_request(why).into())
        }
    }
}

/// Where a node's kubelet is, by what the node's object tells.
///
/// # Errors
/// 404
pub(super) fn target(state: &State, name: &str) -> Answer<NodeTarget> {
    let nodes = state.cache.snapshot("/registry/minions/");
    let node = nodes.get(name).and_then(|object| {
        let ty = type_of_kind("", "v1", "Node")?;
        json::decode(&BUILTIN, ty, object.body(), Options::default()).ok()
    });
    let node = node.ok_or_else(|| Status::not_found(NODES, name))?.object;
    let status = Ref::new(&BUILTIN, &node).at("status");
    let of_kind = |kind: &'static str| {
        let mut all = status.at("addresses").items();
        let found = all.find(|address| address.at("type").str() == kind)?;
        found.at("address").str().parse().ok()
    };
    let port = status.path("daemonEndpoints.kubeletEndpoint.Port").int();
    Ok(NodeTarget {
        name: name.to_owned(),
        address: of_kind("InternalIP").or_else(|| of_kind("ExternalIP")),
        port: u16::try_from(port)
            .ok()
            .filter(|port| *port > 0)
            .unwrap_or(KUBELET),
    })
}

/// Reads something of a kubelet: no connection is taken over.
///
/// # Errors
/// The node does not answer.
pub(super) async fn read(
    state: &State,
    node: &NodeTarget,
    target: &str,
) -> Result<Response<Body>, OutboundError> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = target.parse().unwrap_or_default();
    state.config.nodes.call(node, request, Upgrade::default()).await
}

/// A kubelet's URL, as errors name it.
pub(super) fn url(node: &NodeTarget, target: &str) -> String {
    let host = match node.address {
        Some(address) => std::net::SocketAddr::new(address, node.port).to_string(),
        None => format!("{}:{}", node.name, node.port),
    };
    format!("https://{host}{target}")
}

/// What no other words were found for.
pub(super) fn failed(why: String) -> Status {
    Status::failure(500, "", why)
}
