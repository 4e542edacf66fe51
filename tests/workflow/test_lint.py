"""The hooks before a commit run what make lint runs, no more and no less."""

from __future__ import annotations

import re

import yaml

from conftest import ROOT


def hooks() -> list[dict[str, object]]:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    return [hook for repository in repositories for hook in repository["hooks"]]


def test_the_hooks_are_the_lines_of_make_lint() -> None:
    recipe = re.search(r"^lint: env\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert [hook["entry"] for hook in hooks()] == [line.strip() for line in recipe.group(1).splitlines()]


def test_the_hooks_look_at_the_whole_checkout_with_the_active_environment() -> None:
    for hook in hooks():
        assert hook["language"] == "system" and hook["pass_filenames"] is False and hook["always_run"] is True
        assert hook["id"] and hook["name"]
