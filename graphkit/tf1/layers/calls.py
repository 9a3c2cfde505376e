"""What a layer was called on, and what it returned."""

from typing import Any

import tensorflow as tf

from graphkit import checks


class Calls:
    """The inputs and outputs of a layer, by the number of the call."""

    name: Any
    _made_calls: list[tuple[Any, Any]]

    def get_input_at(self, node_index: int) -> Any:
        return self._call_at(node_index)[0]

    def get_output_at(self, node_index: int) -> Any:
        return self._call_at(node_index)[1]

    @property
    def input(self) -> Any:
        return self._only([inputs for inputs, _ in self._made_calls], "input")

    @property
    def output(self) -> Any:
        return self._only([outputs for _, outputs in self._made_calls], "output")

    @property
    def input_shape(self) -> Any:
        return self._only_shape([inputs for inputs, _ in self._made_calls], "input shape")

    @property
    def output_shape(self) -> Any:
        return self._only_shape([outputs for _, outputs in self._made_calls], "output shape")

    def _call_at(self, index: int) -> tuple[Any, Any]:
        check = checks.Checker(f"layer {self.name}")
        if not self._made_calls:
            raise RuntimeError(check.message("the layer has never been called", node_index=index))
        check.require(
            index < len(self._made_calls), f"it has {len(self._made_calls)} calls", node_index=index
        )
        return self._made_calls[index]

    def _only(self, found: list[Any], word: str) -> Any:
        if len(found) != 1:
            raise AttributeError(f"Layer {self.name} has {len(found)} calls, so its {word} is not defined")
        return found[0]

    def _only_shape(self, found: list[Any], word: str) -> Any:
        shapes = [tf.nest.map_structure(lambda tensor: tuple(tensor.shape.as_list()), one) for one in found]
        return self._only(shapes[:1] if all(shape == shapes[0] for shape in shapes) else shapes, word)
