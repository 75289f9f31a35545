"""The manifests by the rules of Kubernetes, the schemas of its own API. Those of KEDA are not among them."""

import kubernetes_validate
import pytest

from tests.fakes.kubernetes_files import Manifest, manifests

EVERY = [each for each in manifests() if each["apiVersion"] != "keda.sh/v1alpha1"]
NEWEST = kubernetes_validate.latest_version()


@pytest.mark.parametrize("manifest", EVERY, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_kubernetes_takes_it(manifest: Manifest) -> None:
    kubernetes_validate.validate(manifest, NEWEST, strict=True)
