"""Our Kubernetes manifests, with what kustomize adds to each pod; `kubectl kustomize` itself where there is one."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from deployments.components import PROJECT
from deployments.secrets import as_file, make_signing_certificate

FOLDER = PROJECT / "deployments" / "kubernetes"
Manifest = dict[str, Any]


def manifests() -> list[Manifest]:
    """Everything that the base and the component `keda` name, pods whole."""
    common = _read(FOLDER / "base" / "pod.yaml")[0]
    base = _listed(FOLDER / "base")
    whole = [_merged(each, {"spec": common["spec"]}) if is_pod_maker(each) else each for each in base]
    return [*whole, *_listed(FOLDER / "keda")]


def is_pod_maker(manifest: Manifest) -> bool:
    """Say whether pods are made of it."""
    return manifest["kind"] in ("Deployment", "Job")


def settings_file() -> dict[str, str]:
    """The variables of `settings.env`."""
    lines = (FOLDER / "settings.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def built(home: Path, secrets: Mapping[str, str]) -> list[Manifest]:
    """What `kubectl kustomize` makes of it all."""
    folder = Path(shutil.copytree(FOLDER, home / "kubernetes"))
    (folder / "secrets.env").write_text(as_file(secrets), encoding="utf-8")
    make_signing_certificate(folder / "certificates")
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def _listed(folder: Path) -> list[Manifest]:
    return list(_documents(folder, yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))))


def _documents(folder: Path, kustomization: Manifest) -> Iterator[Manifest]:
    for name in kustomization["resources"]:
        yield from _read(folder / name)


def _read(path: Path) -> list[Manifest]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def _merged(first: Any, second: Any) -> Any:
    """Merge as kustomize does: mappings by key, lists of things with names by those."""
    if isinstance(first, dict) and isinstance(second, dict):
        kept = {name: _merged(first[name], second[name]) for name in first.keys() & second.keys()}
        return {**deepcopy(second), **first, **kept}
    if isinstance(first, list) and isinstance(second, list):
        mine = {each["name"]: each for each in first}
        theirs = {each["name"]: each for each in second}
        both = {name: _merged(mine[name], theirs[name]) for name in mine.keys() & theirs.keys()}
        return list({**theirs, **mine, **both}.values())
    return first
