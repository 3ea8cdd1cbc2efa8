"""The row of a suite, with its steps packed while nothing happens in it: a run may have tens of thousands of suites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seatrial.model.steptree import Row, StepTree

STEPS = "workflow_steps"


class SuiteRow(dict[str, Any]):
    """An object of `results.json`."""

    packed = False
    """Whether its steps are packed."""

    def pack(self, tree: StepTree) -> None:
        """Keep the steps in a twentieth of their memory."""
        import pickle  # only runs of many suites pack any
        import zlib

        self[STEPS] = zlib.compress(pickle.dumps(tree, pickle.HIGHEST_PROTOCOL), 1)
        self.__class__ = _PackedRow

    def unpack(self) -> StepTree:
        """The steps as they were; they change in place from now on."""
        tree = _tree(super().__getitem__(STEPS))
        self.__class__ = SuiteRow
        self[STEPS] = tree.top
        return tree


class _PackedRow(SuiteRow):
    """It unpacks its steps at each look: the look is a copy. Only a packed row pays for that: there are many looks."""

    packed = True

    def __getitem__(self, key: str) -> Any:
        return _shown(super().__getitem__(key))

    def get(self, key: str, default: Any = None) -> Any:
        return _shown(super().get(key, default))

    def __iter__(self) -> Iterator[str]:  # without this, `{**row}` and `dict(row)` would copy what is packed
        return iter(self.keys())

    def items(self) -> Any:
        return {key: _shown(value) for key, value in super().items()}.items()

    def values(self) -> Any:
        return {key: _shown(value) for key, value in super().items()}.values()


def _tree(packed: bytes) -> StepTree:
    import pickle
    import zlib

    tree: StepTree = pickle.loads(zlib.decompress(packed))  # its own data, never from elsewhere
    return tree


def _shown(value: Any) -> Any:
    steps: list[Row] = _tree(value).top if type(value) is bytes else value
    return steps
