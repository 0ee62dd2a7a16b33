"""An operator on a custom resource with kopf; prints `ok` once an object was created, changed and deleted."""

import asyncio
import sys

import kopf
from kubernetes import client, config

config.load_kube_config()
NAMES = {"plural": "kexes", "kind": "Kex", "singular": "kex", "listKind": "KexList"}
SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
PLACE = ("op.io", "v1", "default", "kexes")
seen = []


@kopf.on.create("op.io", "v1", "kexes")
async def created(spec, patch, **_):
    seen.append("created")
    patch.status["doubled"] = spec["n"] * 2
    return {"n": spec["n"]}


@kopf.on.update("op.io", "v1", "kexes")
async def updated(old, new, **_):
    seen.append(f"updated {old['spec']['n']} to {new['spec']['n']}")


@kopf.on.delete("op.io", "v1", "kexes")
async def deleted(**_):
    seen.append("deleted")


async def until(what, limit=40):
    for _ in range(limit * 10):
        try:
            if await asyncio.to_thread(what):
                return
        except client.ApiException as error:
            if error.status != 404:
                raise
        await asyncio.sleep(0.1)
    sys.exit(f"it does not come: {what.__name__}, seen {seen}")


async def story():
    customs = client.CustomObjectsApi()
    body = {"apiVersion": "op.io/v1", "kind": "Kex", "metadata": {"name": "a"}, "spec": {"n": 21}}
    customs.create_namespaced_custom_object(*PLACE, body)

    def doubled():
        return customs.get_namespaced_custom_object(*PLACE, "a").get("status", {}).get("doubled") == 42

    def held():
        return customs.get_namespaced_custom_object(*PLACE, "a")["metadata"]["finalizers"]

    def changed():
        return "updated 21 to 3" in seen

    def gone():
        left = customs.list_namespaced_custom_object(*PLACE)["items"]
        return not left and "deleted" in seen

    await until(doubled)
    await until(held)
    customs.patch_namespaced_custom_object(*PLACE, "a", {"spec": {"n": 3}})
    await until(changed)
    customs.delete_namespaced_custom_object(*PLACE, "a")
    await until(gone)
    assert seen == ["created", "updated 21 to 3", "deleted"], seen
    print("ok", flush=True)


async def main():
    extensions = client.ApiextensionsV1Api()
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}
    extensions.create_custom_resource_definition(
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
         "metadata": {"name": "kexes.op.io"},
         "spec": {"group": "op.io", "scope": "Namespaced", "names": NAMES, "versions": [version]}}
    )

    def established():
        conditions = extensions.read_custom_resource_definition("kexes.op.io").status.conditions or []
        return any(c.type == "Established" and c.status == "True" for c in conditions)

    await until(established)
    stop, ready = asyncio.Event(), asyncio.Event()
    operator = asyncio.create_task(
        kopf.operator(namespaces=["default"], standalone=True, stop_flag=stop, ready_flag=ready)
    )
    await asyncio.wait_for(ready.wait(), 30)
    await story()
    stop.set()
    await operator


asyncio.run(main())
