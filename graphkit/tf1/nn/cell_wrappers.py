"""Wrappers of RNN cells: dropout, residual connections, devices."""

import hashlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.nn import dropout, recurrent_cells
from graphkit.tf1.nn.cells import RNNCell, Size


class Wrapper(RNNCell):
    """Base of wrappers, which have the state and the output of their cell."""

    def __init__(self, cell: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        missing = [name for name in ("output_size", "state_size") if not hasattr(cell, name)]
        if missing or not callable(cell) or not (hasattr(cell, "zero_state")):
            raise TypeError(f"The argument 'cell' ({cell}) is not an RNNCell")
        self.cell = self._cell = cell
        self._cells = [cell]

    @property
    def wrapped_cell(self) -> Any:
        return self.cell

    @property
    def state_size(self) -> Size:
        return self.cell.state_size

    @property
    def output_size(self) -> Size:
        return self.cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        with tf.compat.v1.name_scope(f"{type(self).__name__}ZeroState", values=[batch_size]):
            return self.cell.zero_state(batch_size, dtype)


class DropoutWrapper(Wrapper):
    """Dropout of a cell's inputs, outputs and states, as `gk.dropout` does it: reproducibly in a trainer.

    With a seed, the masks are TensorFlow's, which follow from it.
    """

    def __init__(
        self,
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Callable[[Any], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cell, dtype=dtype, **kwargs)
        if dropout_state_filter_visitor is not None and not callable(dropout_state_filter_visitor):
            raise TypeError("dropout_state_filter_visitor must be callable")
        self._filter = dropout_state_filter_visitor or all_but_the_memory
        self._seed = seed
        self._keep_probs = {
            "input": known_keep_prob("input_keep_prob", input_keep_prob),
            "state": known_keep_prob("state_keep_prob", state_keep_prob),
            "output": known_keep_prob("output_keep_prob", output_keep_prob),
        }
        self._masks: dict[str, list[tf.Tensor]] = {}
        if variational_recurrent:
            self._make_masks({"input": input_size, "state": cell.state_size, "output": cell.output_size})

    def _make_masks(self, sizes: dict[str, Size]) -> None:
        """Makes the masks that all steps of a run share, each for all examples."""
        if self.dtype is None:
            raise ValueError("When variational_recurrent=True, dtype must be provided")
        if sizes["input"] is None and self._keep_probs["input"] != 1:
            raise ValueError(
                "When variational_recurrent=True and input_keep_prob < 1.0 or is unknown, "
                "input_size must be provided"
            )
        with tf.compat.v1.name_scope("DropoutWrapperInit"):
            for kind, size in sizes.items():
                ones = [
                    tf.ones([1, *tf.TensorShape(part)], self.dtype)
                    for part in tf.nest.flatten(size)
                    if part is not None
                ]
                self._masks[kind] = self._drop(kind, ones)

    def _drop(self, kind: str, values: list[Any], flags: list[bool] | None = None) -> list[Any]:
        keep_prob = self._keep_probs[kind]
        if isinstance(keep_prob, float) and keep_prob == 1:
            return values
        return [
            self._drop_one(kind, place, value, keep_prob) if flag else value
            for place, (flag, value) in enumerate(zip(flags or [True] * len(values), values, strict=True))
        ]

    def _drop_one(self, kind: str, place: int, value: tf.Tensor, keep_prob: Any) -> tf.Tensor:
        if kind in self._masks:
            return value * self._masks[kind][place]
        if self._seed is None:
            return dropped(value, keep_prob, None)
        salted = hashlib.md5(f"{self._seed}{kind}_{place}".encode()).hexdigest()
        return dropped(value, keep_prob, int(salted[:8], 16) & 0x7FFFFFFF)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        inputs = tf.nest.pack_sequence_as(inputs, self._drop("input", tf.nest.flatten(inputs)))
        output, state = self.cell(inputs, state, scope=scope)
        flags = flags_of(self._filter, state)
        state = tf.nest.pack_sequence_as(state, self._drop("state", tf.nest.flatten(state), flags))
        return tf.nest.pack_sequence_as(output, self._drop("output", tf.nest.flatten(output))), state


def dropped(value: tf.Tensor, keep_prob: Any, seed: int | None) -> tf.Tensor:
    """Drops units: by a seed as TensorFlow does, or else as gk.dropout."""
    if seed is None:
        return dropout.dropout(value, keep_prob)
    return tf.nn.dropout(value, rate=1 - keep_prob, seed=seed)


def known_keep_prob(name: str, keep_prob: Any) -> Any:
    """Returns a number as a float, and what only a run knows as a tensor."""
    known = tf.get_static_value(keep_prob) if tf.is_tensor(keep_prob) else keep_prob
    if known is None:
        return keep_prob
    if not 0 <= known <= 1:
        raise ValueError(f"Parameter {name} must be between 0 and 1: {known}")
    return float(known)


def all_but_the_memory(state: Any) -> Any:
    if isinstance(state, recurrent_cells.LSTMStateTuple):
        return recurrent_cells.LSTMStateTuple(c=False, h=True)
    return not isinstance(state, tf.TensorArray)


def flags_of(visit: Callable[[Any], Any], state: Any) -> list[bool]:
    """Returns for each tensor of a state whether a filter selects it."""
    answer = visit(state)
    if not tf.nest.is_nested(state):
        if not isinstance(answer, bool):
            raise TypeError(f"dropout_state_filter_visitor must return booleans; received {answer}")
        return [answer]
    parts = list(state.values()) if isinstance(state, dict) else list(state)
    answers = [answer] * len(parts) if isinstance(answer, bool) else tf.nest.flatten(answer)
    pairs = zip(answers, parts, strict=True)
    return [
        flag
        for on, part in pairs
        for flag in (flags_of(visit, part) if on else [False] * len(tf.nest.flatten(part)))
    ]


class ResidualWrapper(Wrapper):
    """Adds the inputs to the outputs, or combines them by `residual_fn(inputs, outputs)`."""

    def __init__(
        self, cell: Any, residual_fn: Callable[[Any, Any], Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(cell, **kwargs)
        self._combine = residual_fn or add_inputs

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        outputs, state = self.cell(inputs, state, scope=scope)
        return self._combine(inputs, outputs), state


def add_inputs(inputs: Any, outputs: Any) -> Any:
    tf.nest.assert_same_structure(inputs, outputs)
    for value, output in zip(tf.nest.flatten(inputs), tf.nest.flatten(outputs), strict=True):
        value.shape.assert_is_compatible_with(output.shape)
    return tf.nest.map_structure(lambda value, output: value + output, inputs, outputs)


class DeviceWrapper(Wrapper):
    """Runs a cell on a device."""

    def __init__(self, cell: Any, device: Any, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self._device = device

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        with tf.compat.v1.device(self._device):
            return super().zero_state(batch_size, dtype)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        with tf.compat.v1.device(self._device):
            return self.cell(inputs, state, scope=scope)
