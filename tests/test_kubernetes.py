"""The Kubernetes manifests: the fields that KubeRay and Kubernetes know, what the network denies, one image, one Ray.

The schemas here are the part of the documented ones that the manifests use, closed against other names. Against KubeRay's
own: put `ray.io_rayclusters.yaml` and `ray.io_rayjobs.yaml` of its helm chart into a folder, and its path into
`KUBERAY_CRDS`.
"""

from __future__ import annotations

import copy
import ipaddress
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "deploy" / "kubernetes"
Schema = dict[str, Any]
Manifest = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

STRING: Schema = {"type": "string"}
TEXTS: Schema = {"type": "object", "additionalProperties": STRING}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
QUANTITY: Schema = {"type": "string", "pattern": r"^\d+(m|Ki|Mi|Gi)?$"}
NAME: Schema = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}


def closed(required: str = "", **properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "required": required.split(), "properties": properties}


def listed(items: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": items}


AMOUNTS = closed(**{"cpu": QUANTITY, "memory": QUANTITY, "ephemeral-storage": QUANTITY})
CONTAINER = closed(
    "name image resources securityContext",
    name=NAME,
    image=STRING,
    ports=listed(closed("containerPort", name=NAME, containerPort={"type": "integer", "maximum": 65535})),
    resources=closed("requests limits", requests=AMOUNTS, limits=AMOUNTS),
    securityContext=closed(
        "allowPrivilegeEscalation capabilities",
        allowPrivilegeEscalation={"const": False},
        capabilities=closed("drop", drop={"const": ["ALL"]}),
    ),
    volumeMounts=listed(closed("name mountPath", name=NAME, mountPath=STRING)),
)
POD = closed(
    "spec",
    metadata=closed(labels=TEXTS),
    spec=closed(
        "containers securityContext",
        serviceAccountName=NAME,
        automountServiceAccountToken=FLAG,
        terminationGracePeriodSeconds=COUNT,
        restartPolicy={"enum": ["Never", "OnFailure"]},
        securityContext=closed(
            "runAsNonRoot",
            runAsNonRoot={"const": True},
            runAsUser={"type": "integer", "minimum": 1},
            fsGroup=COUNT,
            seccompProfile=closed("type", type={"const": "RuntimeDefault"}),
        ),
        containers=listed(CONTAINER),
        volumes=listed(closed("name emptyDir", name=NAME, emptyDir=closed("sizeLimit", sizeLimit=QUANTITY))),
    ),
)
SPECS = {
    "RayCluster": closed(
        "headGroupSpec",
        rayVersion=STRING,
        enableInTreeAutoscaling=FLAG,
        authOptions=closed("mode", mode={"enum": ["disabled", "token"]}),
        autoscalerOptions=closed(
            version={"enum": ["v1", "v2"]},
            upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
            idleTimeoutSeconds=COUNT,
            resources=closed(requests=AMOUNTS, limits=AMOUNTS),
        ),
        headGroupSpec=closed("template", rayStartParams=TEXTS, template=POD),
        workerGroupSpecs=listed(
            closed(
                "groupName maxReplicas minReplicas template",
                groupName=NAME,
                replicas=COUNT,
                minReplicas=COUNT,
                maxReplicas=COUNT,
                rayStartParams=TEXTS,
                template=POD,
            )
        ),
    ),
    "RayJob": closed(
        "entrypoint clusterSelector",  # one of this and rayClusterSpec; ours is the first
        entrypoint=STRING,
        clusterSelector=closed("ray.io/cluster", **{"ray.io/cluster": NAME}),
        submissionMode={"enum": ["K8sJobMode", "HTTPMode"]},
        activeDeadlineSeconds=COUNT,
        ttlSecondsAfterFinished=COUNT,
        submitterConfig=closed(backoffLimit=COUNT),
        submitterPodTemplate=POD,
    ),
    "NetworkPolicy": closed(
        "podSelector policyTypes",
        podSelector=closed("matchLabels", matchLabels=TEXTS),
        policyTypes={"const": ["Ingress", "Egress"]},
        ingress=listed(
            closed("from", **{"from": listed({"$ref": "#/$defs/peer"}), "ports": {"$ref": "#/$defs/ports"}})
        ),
        egress=listed(closed("to", to=listed({"$ref": "#/$defs/peer"}), ports={"$ref": "#/$defs/ports"})),
    ),
}
SELECTOR = closed(matchLabels=TEXTS)
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
DEFS = {
    "peer": closed(
        namespaceSelector=SELECTOR,
        podSelector=SELECTOR,
        ipBlock=closed("cidr", cidr=STRING, **{"except": listed(STRING)}),
    ),
    "ports": listed(closed("protocol port", protocol={"enum": ["TCP", "UDP"]}, port=PORT, endPort=PORT)),
}
VERSIONS = {
    "RayCluster": "ray.io/v1",
    "RayJob": "ray.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "ServiceAccount": "v1",
}


def manifests(name: str = "*") -> list[Manifest]:
    found = [item for path in sorted(FOLDER.glob(f"{name}.yaml")) for item in yaml.safe_load_all(path.read_text())]
    assert found, f"{FOLDER} holds no {name}.yaml"
    return found


def one(kind: str, name: str) -> Manifest:
    (found,) = (item for item in manifests() if item["kind"] == kind and item["metadata"]["name"] == name)
    return found


def check(manifest: Manifest) -> None:
    assert manifest["apiVersion"] == VERSIONS[manifest["kind"]]
    Draft202012Validator(NAME).validate(manifest["metadata"]["name"])
    if manifest["kind"] in SPECS:
        Draft202012Validator({**SPECS[manifest["kind"]], "$defs": DEFS}).validate(manifest["spec"])


def test_every_manifest_holds_only_what_its_kind_knows() -> None:
    assert {item["kind"] for item in manifests()} == VERSIONS.keys()
    for manifest in manifests():
        check(manifest)


@pytest.mark.parametrize(
    "place", ["spec.headGroupSpecs", "spec.headGroupSpec.template.spec.container", "spec.autoscalerOptions.version"]
)
def test_a_misspelt_field_or_value_does_not_pass(place: str) -> None:
    wrong = copy.deepcopy(one("RayCluster", "m3w"))
    inner, *keys = wrong, *place.split(".")
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = "v3"
    with pytest.raises(ValidationError):
        check(wrong)


def peers(policy: str) -> list[dict[str, Any]]:
    return [peer for rule in one("NetworkPolicy", policy)["spec"]["egress"] for peer in rule["to"]]


@cache
def blocks(policy: str) -> list[list[Network]]:
    """The networks that the policy's egress lets through, each followed by what it takes out of them."""
    found = [peer["ipBlock"] for peer in peers(policy) if "ipBlock" in peer]
    return [[ipaddress.ip_network(each) for each in (block["cidr"], *block.get("except", ()))] for block in found]


def allowed(policy: str, address: str) -> bool:
    """Whether a block of the policy's egress lets the address through."""
    wanted = ipaddress.ip_address(address)
    return any(wanted in whole and not any(wanted in out for out in taken) for whole, *taken in blocks(policy))


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.170.2", "10.96.0.1", "10.244.3.7", "172.20.0.1", "192.168.1.1", "100.64.0.5", "127.0.0.1",
     "0.0.0.0", "224.0.0.1", "255.255.255.255", "fd00:ec2::254", "fe80::1", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"],
)  # fmt: skip
def test_workers_reach_no_address_that_is_not_of_the_open_internet(address: str) -> None:
    assert not allowed("m3w-workers", address)


@pytest.mark.parametrize("address", ["1.1.1.1", "52.216.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])
def test_workers_reach_the_open_internet(address: str) -> None:
    assert allowed("m3w-workers", address)


def test_every_address_that_the_fetch_refuses_is_denied_by_the_network_too() -> None:
    from m3w.pipeline.fetch.guard import is_public

    addresses = [f"{first}.{second}.1.1" for first in range(256) for second in range(0, 256, 5)]
    wrong = [a for a in addresses if allowed("m3w-workers", a) and not is_public(a)]
    assert not wrong


def test_the_head_reaches_no_metadata_service() -> None:
    assert allowed("m3w-head", "10.96.0.1")  # Kubernetes' own API
    assert not allowed("m3w-head", "169.254.169.254")


def test_policies_let_pods_reach_names_and_each_other_and_cover_every_pod() -> None:
    for node in ("head", "worker"):
        (policy,) = (
            item
            for item in manifests("networkpolicy")
            if item["spec"]["podSelector"]["matchLabels"] == {"ray.io/cluster": "m3w", "ray.io/node-type": node}
        )
        egress = policy["spec"]["egress"]
        assert {"to": [{"podSelector": {"matchLabels": {"ray.io/cluster": "m3w"}}}]} in egress
        assert any({port["port"] for port in rule.get("ports", ())} == {53} for rule in egress)


def test_the_submitter_carries_the_label_that_the_heads_policy_lets_in() -> None:
    (rule,) = (rule for rule in one("NetworkPolicy", "m3w-head")["spec"]["ingress"] if "ports" in rule)
    labels = one("RayJob", "m3w-build")["spec"]["submitterPodTemplate"]["metadata"]["labels"]
    assert {"podSelector": {"matchLabels": labels}} in rule["from"]
    assert one("RayJob", "m3w-build")["spec"]["clusterSelector"]["ray.io/cluster"] == "m3w"


def test_all_pods_run_one_image_with_the_locks_ray_and_this_version() -> None:
    text = "\n".join(path.read_text() for path in FOLDER.glob("*.yaml"))
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version and set(re.findall(r"registry\.example/\S+", text)) == {f"registry.example/m3w:{version[1]}"}
    locked = re.search(r"^ray==(\S+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked and one("RayCluster", "m3w")["spec"]["rayVersion"] == locked[1]


def test_the_job_runs_a_command_of_ours() -> None:
    words = one("RayJob", "m3w-build")["spec"]["entrypoint"].split()
    assert words[:2] == ["m3w", "build"] and words[-2:] == ["--address", "auto"]


@pytest.mark.parametrize("kind", ["RayCluster", "RayJob"])
def test_kuberays_own_schema_takes_the_manifest(kind: str) -> None:
    if "KUBERAY_CRDS" not in os.environ:
        pytest.skip("KUBERAY_CRDS names no folder with KubeRay's CRDs; the test reads their schemas")
    path = Path(os.environ["KUBERAY_CRDS"]) / f"ray.io_{kind.lower()}s.yaml"
    (version,) = (item for item in yaml.safe_load(path.read_text())["spec"]["versions"] if item["name"] == "v1")
    schema = strict(version["schema"]["openAPIV3Schema"]["properties"]["spec"])
    for manifest in (item for item in manifests() if item["kind"] == kind):
        Draft202012Validator(schema).validate(manifest["spec"])
        with pytest.raises(ValidationError):
            Draft202012Validator(schema).validate({**manifest["spec"], "headGroup": {}})


def strict(schema: Any) -> Any:
    """The schema, closed against fields that it does not name; Kubernetes drops such fields without a word."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    if found.pop("x-kubernetes-int-or-string", False):
        found.pop("type", None)
        found.pop("anyOf", None)
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        found["additionalProperties"] = False
    return found
