"""Which contract tests belong to which implementation."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, of a contract, what an implementation's provider has no way to do."""
    others = [item for item in items if not _belongs(item)]
    if others:
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)


def _belongs(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("needs")
    if marker is None:
        return True
    [behaviour] = marker.args
    if behaviour == "*":
        behaviour = item.callspec.params["behaviour"]  # type: ignore[attr-defined]
    return behaviour in item.cls.bench_type.can  # type: ignore[attr-defined]
