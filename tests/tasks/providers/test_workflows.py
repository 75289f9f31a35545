"""Workflow templates: read once, checked wholly, filled without a second look."""

import json
from pathlib import Path

import pytest

from data.domain.errors import ProviderMisconfiguredError
from data.domain.generations import Capability
from tasks.providers.workflows import read_workflow
from tests.fakes.comfyui import workflow


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "workflow.json"
    path.write_text(text, encoding="utf-8")
    return path


def node(**inputs: object) -> str:
    return json.dumps({"1": {"class_type": "A", "inputs": inputs}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not an object of nodes"),
        (json.dumps({"nodes": [], "links": []}), "Export"),
        (json.dumps({"1": {"inputs": {}}}), "class_type"),
        (node(text="a cat"), r"no placeholder \{\{prompt\}\}"),
        (node(text="{{prompt}} {{steps}}"), "nothing fills: steps"),
        (node(text="{{prompt}} {{image}}"), "brings none"),
    ],
)
def test_what_is_wrong_with_a_workflow_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ProviderMisconfiguredError, match=said):
        read_workflow(written(tmp_path, text), Capability.TEXT_TO_VIDEO)


def test_a_workflow_for_pictures_has_to_take_one(tmp_path: Path) -> None:
    with pytest.raises(ProviderMisconfiguredError, match="image"):
        read_workflow(written(tmp_path, workflow()), Capability.IMAGE_TO_VIDEO)


def test_numbers_stay_numbers_and_words_are_not_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, node(text="{{prompt}}!", seed="{{ seed }}", list=["{{seed}}", {"deep": "x{{seed}}"}]))

    filled = read_workflow(path, Capability.TEXT_TO_VIDEO).filled({"prompt": "{{seed}}", "seed": 5})

    assert filled["1"]["inputs"] == {"text": "{{seed}}!", "seed": 5, "list": [5, {"deep": "x5"}]}


def test_a_template_is_known_by_its_content(tmp_path: Path) -> None:
    first = read_workflow(written(tmp_path, node(text="{{prompt}}")), Capability.TEXT_TO_VIDEO).digest
    second = read_workflow(written(tmp_path, node(text="{{prompt}}.")), Capability.TEXT_TO_VIDEO).digest

    assert first != second
