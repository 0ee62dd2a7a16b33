"""CRUD, watches, the dynamic client, apply and YAML with the official Python client; prints `ok NAME` for each case."""

import threading

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException

config.load_kube_config()
core, apps = client.CoreV1Api(), client.AppsV1Api()
NAMESPACE = "library"


def refused(status, reason, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except ApiException as error:
        assert error.status == status, (error.status, error.body)
        assert f'"reason":"{reason}"' in error.body, error.body
        return
    raise AssertionError("it was not refused")


def config_map(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"app": "x"}), data=data)


def deployment(name):
    labels = {"app": name}
    container = client.V1Container(name="c", image="example", ports=[client.V1ContainerPort(container_port=80)])
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(replicas=2, selector=client.V1LabelSelector(match_labels=labels), template=template)
    return client.V1Deployment(metadata=client.V1ObjectMeta(name=name), spec=spec)


def create_read_replace_patch_delete():
    made = core.create_namespaced_config_map(NAMESPACE, config_map("a", k="v"))
    assert made.metadata.uid and made.data == {"k": "v"}
    made.data["j"] = "w"
    core.replace_namespaced_config_map("a", NAMESPACE, made)
    made.data["j"] = "x"
    refused(409, "Conflict", core.replace_namespaced_config_map, "a", NAMESPACE, made)
    refused(409, "AlreadyExists", core.create_namespaced_config_map, NAMESPACE, config_map("a"))
    core.patch_namespaced_config_map("a", NAMESPACE, {"data": {"k": None}})
    assert core.read_namespaced_config_map("a", NAMESPACE).data == {"j": "w"}
    core.patch_namespaced_config_map("a", NAMESPACE, [{"op": "add", "path": "/data/z", "value": "1"}])
    assert core.read_namespaced_config_map("a", NAMESPACE).data == {"j": "w", "z": "1"}
    core.delete_namespaced_config_map("a", NAMESPACE)
    refused(404, "NotFound", core.read_namespaced_config_map, "a", NAMESPACE)


def invalid_objects_are_refused():
    refused(422, "Invalid", core.create_namespaced_config_map, NAMESPACE, config_map("Bad_Name"))
    refused(404, "NotFound", core.create_namespaced_config_map, "nowhere", config_map("a"))


def lists_are_paged_and_selected():
    for number in range(5):
        core.create_namespaced_config_map(NAMESPACE, config_map(f"page-{number}"))
    names, token = [], None
    while True:
        page = core.list_namespaced_config_map(NAMESPACE, limit=2, _continue=token, label_selector="app=x")
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == [f"page-{number}" for number in range(5)], names
    core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="app=x")
    assert core.list_namespaced_config_map(NAMESPACE, label_selector="app=x").items == []


def watches_tell_what_happens():
    version = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version

    def change():
        core.create_namespaced_config_map(NAMESPACE, config_map("seen"))
        core.patch_namespaced_config_map("seen", NAMESPACE, {"data": {"k": "v"}})
        core.delete_namespaced_config_map("seen", NAMESPACE)

    threading.Thread(target=change).start()
    told = []
    follow = {"resource_version": version, "timeout_seconds": 20, "label_selector": "app=x"}
    for event in watch.Watch().stream(core.list_namespaced_config_map, NAMESPACE, **follow):
        told.append((event["type"], event["object"].metadata.name))
        if event["type"] == "DELETED":
            break
    assert told == [("ADDED", "seen"), ("MODIFIED", "seen"), ("DELETED", "seen")], told


def deployments_scale_and_have_a_status():
    apps.create_namespaced_deployment(NAMESPACE, deployment("web"))
    apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 3}})
    scale = apps.read_namespaced_deployment_scale("web", NAMESPACE)
    assert scale.spec.replicas == 3 and scale.status.selector == "app=web", scale
    live = apps.read_namespaced_deployment("web", NAMESPACE)
    assert live.metadata.generation == 2
    live.status.observed_generation = 2
    live.status.replicas = 3
    written = apps.replace_namespaced_deployment_status("web", NAMESPACE, live)
    assert written.status.replicas == 3 and written.metadata.generation == 2
    apps.delete_namespaced_deployment("web", NAMESPACE, propagation_policy="Background")


def the_dynamic_client_finds_and_applies():
    found = dynamic.DynamicClient(client.ApiClient())
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dynamic"}, "data": {"k": "v"}}
    place = {"name": "dynamic", "namespace": NAMESPACE}
    applied = found.server_side_apply(maps, body=body, field_manager="me", **place)
    assert applied.metadata.managedFields[0].operation == "Apply", applied
    body["data"]["k"] = "w"
    try:
        found.server_side_apply(maps, body=body, field_manager="you", **place)
        raise AssertionError("it was not refused")
    except ApiException as error:
        assert error.status == 409 and "FieldManagerConflict" in str(error.body), error.body
    maps.delete(**place)
    kinds = {resource.kind for resource in found.resources.search(group="apps")}
    assert "Deployment" in kinds, kinds


def yaml_makes_several_objects():
    documents = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "y"}, "spec": {"ports": [{"port": 80}]}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "y"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        },
    ]
    utils.create_from_yaml(client.ApiClient(), yaml_objects=documents, namespace=NAMESPACE)
    assert core.read_namespaced_service("y", NAMESPACE).spec.cluster_ip.startswith("10.43.")


def custom_objects_live_by_their_schema():
    extensions, customs = client.ApiextensionsV1Api(), client.CustomObjectsApi()
    spec = {
        "type": "object",
        "required": ["n"],
        "properties": {"n": {"type": "integer", "minimum": 1}, "m": {"type": "string", "default": "q"}},
    }
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    version["subresources"] = {"status": {}}
    names = {"plural": "ws", "kind": "W", "singular": "w", "listKind": "WList"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "ws.lib.io"},
        "spec": {"group": "lib.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    extensions.create_custom_resource_definition(definition)
    follow = {"timeout_seconds": 20, "field_selector": "metadata.name=ws.lib.io"}
    for event in watch.Watch().stream(extensions.list_custom_resource_definition, **follow):
        conditions = {c.type: c.status for c in (event["object"].status.conditions or [])}
        if conditions.get("Established") == "True":
            break
    thing = {"apiVersion": "lib.io/v1", "kind": "W", "metadata": {"name": "t"}, "spec": {"n": 1, "dropped": 2}}
    place = ("lib.io", "v1", NAMESPACE, "ws")
    made = customs.create_namespaced_custom_object(*place, thing)
    assert made["spec"] == {"n": 1, "m": "q"}, made
    thing["metadata"]["name"], thing["spec"]["n"] = "u", 0
    refused(422, "Invalid", customs.create_namespaced_custom_object, *place, thing)
    customs.patch_namespaced_custom_object(*place, "t", {"spec": {"n": 7}})
    patched = customs.patch_namespaced_custom_object_status(*place, "t", {"status": {"x": 1}})
    assert patched["spec"]["n"] == 7 and patched["status"] == {"x": 1}, patched
    assert len(customs.list_namespaced_custom_object(*place)["items"]) == 1
    customs.delete_namespaced_custom_object(*place, "t")
    extensions.delete_custom_resource_definition("ws.lib.io")


def leases_elect_one_leader():
    from kubernetes.leaderelection import electionconfig, leaderelection
    from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

    led, done = [], threading.Event()

    def lead(name):
        lock = LeaseLock("election", NAMESPACE, name)
        started = lambda: (led.append(name), done.set())
        elected = electionconfig.Config(lock, 4, 3, 1, onstarted_leading=started, onstopped_leading=None)
        leaderelection.LeaderElection(elected).run()

    for name in ("one", "two"):
        threading.Thread(target=lead, args=(name,), daemon=True).start()
    assert done.wait(20), "nobody leads"
    leases, renewed = client.CoordinationV1Api(), set()
    for event in watch.Watch().stream(leases.list_namespaced_lease, NAMESPACE, timeout_seconds=20):
        renewed.add(event["object"].spec.renew_time)
        if len(renewed) == 3:
            break
    assert len(renewed) == 3, "the leader does not renew its lease"
    holder = leases.read_namespaced_lease("election", NAMESPACE).spec.holder_identity
    assert led == [holder], (led, holder)


CASES = [
    create_read_replace_patch_delete,
    invalid_objects_are_refused,
    lists_are_paged_and_selected,
    watches_tell_what_happens,
    deployments_scale_and_have_a_status,
    the_dynamic_client_finds_and_applies,
    yaml_makes_several_objects,
    custom_objects_live_by_their_schema,
    leases_elect_one_leader,
]

core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
for case in CASES:
    case()
    print("ok", case.__name__, flush=True)
