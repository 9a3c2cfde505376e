"""A cell that looks at a memory in each step."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit.tf1 import layers
from graphkit.tf1.contrib.seq2seq import decoding
from graphkit.tf1.contrib.seq2seq.attention import AttentionMechanism
from graphkit.tf1.nn import cells


class AttentionWrapperState(NamedTuple):
    """State of an `AttentionWrapper`; the last three are tuples if it has a list of mechanisms."""

    cell_state: Any
    attention: Any
    time: Any
    alignments: Any
    alignment_history: Any
    attention_state: Any

    def clone(self, **kwargs: Any) -> "AttentionWrapperState":
        """Returns the state with some fields replaced by others of the same shapes."""
        return tf.nest.map_structure(with_same_shape, self, self._replace(**kwargs))


class AttentionWrapper(cells.RNNCell):
    """Runs a cell on the inputs and the last attention; its output is the new attention.

    The attention is the mean of the memory by the alignments, or what a layer makes of it and the cell's
    output.
    """

    def __init__(
        self,
        cell: Any,
        attention_mechanism: Any,
        attention_layer_size: Any = None,
        alignment_history: bool = False,
        cell_input_fn: Any = None,
        output_attention: bool = True,
        initial_cell_state: Any = None,
        name: Any = None,
        attention_layer: Any = None,
        attention_fn: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        decoding.check_parts(cell, None)
        self._is_multi = isinstance(attention_mechanism, (list, tuple))
        self._attention_mechanisms = as_tuple(attention_mechanism)
        for mechanism in self._attention_mechanisms:
            if not isinstance(mechanism, AttentionMechanism):
                kind = f"AttentionMechanism or a list of them, saw type: {type(mechanism).__name__}"
                raise TypeError(f"attention_mechanism must be an {kind}")
        if cell_input_fn is not None and not callable(cell_input_fn):
            raise TypeError(f"cell_input_fn must be callable, saw type: {type(cell_input_fn).__name__}")
        self._cell, self._cell_input_fn = cell, cell_input_fn or join
        self._attention_fn = attention_fn or attend
        self._output_attention, self._alignment_history = output_attention, alignment_history
        self._attention_layers = self._make_layers(attention_layer_size, attention_layer)
        depths = [mechanism.values.shape.as_list()[-1] for mechanism in self._attention_mechanisms]
        if self._attention_layers is not None:
            shapes = [tf.TensorShape([None, cell.output_size + depth]) for depth in depths]
            made = zip(self._attention_layers, shapes, strict=True)
            depths = [tf.TensorShape(one.compute_output_shape(shape)).as_list()[-1] for one, shape in made]
        self._attention_layer_size = sum(depths)
        self._initial_cell_state = initial_cell_state
        if initial_cell_state is not None:
            with tf.compat.v1.name_scope(name, "AttentionWrapperInit"):
                rows = rows_of(tf.nest.flatten(initial_cell_state)[-1])
                self._initial_cell_state = self._checked("initial_cell_state", initial_cell_state, rows)

    def _make_layers(self, sizes: Any, given: Any) -> tuple[Any, ...] | None:
        """Returns the layer of each mechanism, or None if they have none."""
        if sizes is not None and given is not None:
            raise ValueError("Only one of attention_layer_size and attention_layer should be set")
        if sizes is None and given is None:
            return None
        values = as_tuple(sizes if given is None else given)
        if len(values) != len(self._attention_mechanisms):
            raise ValueError(
                "If provided, attention_layer_size and attention_layer must contain exactly one value per "
                f"attention_mechanism, saw: {len(values)} vs {len(self._attention_mechanisms)}"
            )
        pairs = zip(values, self._attention_mechanisms, strict=True)
        made = (layers.Dense(n, use_bias=False, name="attention_layer", dtype=m.dtype) for n, m in pairs)
        return tuple(made) if given is None else values

    def _checked(self, what: str, tensors: Any, batch_size: Any) -> Any:
        """Returns the tensors, which fail where their batch is not that of the memories."""
        message = (
            f"AttentionWrapper {self._base_name}: Non-matching batch sizes between the memory (encoder "
            f"output) and {what}. Are you using the BeamSearchDecoder? Then the encoder's output and state "
            "must be tiled by tf.contrib.seq2seq.tile_batch with multiplier=beam_width, and the batch_size "
            "of zero_state is batch_size * beam_width."
        )
        asserts = [
            tf.compat.v1.assert_equal(batch_size, mechanism.batch_size, message=message)
            for mechanism in self._attention_mechanisms
        ]
        with tf.control_dependencies([op for op in asserts if op is not None]):
            return tf.nest.map_structure(lambda part: tf.identity(part, f"checked_{what}"), tensors)

    def _item_or_tuple(self, parts: Iterable[Any]) -> Any:
        parts = tuple(parts)
        return parts if self._is_multi else parts[0]

    @property
    def output_size(self) -> Any:
        return self._attention_layer_size if self._output_attention else self._cell.output_size

    @property
    def state_size(self) -> AttentionWrapperState:
        sizes = [mechanism.alignments_size for mechanism in self._attention_mechanisms]
        return AttentionWrapperState(
            self._cell.state_size,
            self._attention_layer_size,
            tf.TensorShape([]),
            self._item_or_tuple(sizes),
            self._item_or_tuple(size if self._alignment_history else () for size in sizes),
            self._item_or_tuple(mechanism.state_size for mechanism in self._attention_mechanisms),
        )

    def zero_state(self, batch_size: Any, dtype: Any) -> AttentionWrapperState:
        def history(weights: tf.Tensor) -> Any:
            if not self._alignment_history:
                return ()
            return tf.TensorArray(dtype, 0, dynamic_size=True, element_shape=weights.shape)

        with tf.compat.v1.name_scope(f"{type(self).__name__}ZeroState", values=[batch_size]):
            state, mechanisms = self._initial_cell_state, self._attention_mechanisms
            state = self._cell.zero_state(batch_size, dtype) if state is None else state
            alignments = [mechanism.initial_alignments(batch_size, dtype) for mechanism in mechanisms]
            return AttentionWrapperState(
                self._checked("cell_state", state, batch_size),
                cells.zeros(batch_size, self._attention_layer_size, dtype),
                tf.zeros([], tf.int32),
                self._item_or_tuple(alignments),
                self._item_or_tuple(map(history, alignments)),
                self._item_or_tuple(one.initial_state(batch_size, dtype) for one in mechanisms),
            )

    def call(self, inputs: Any, state: Any) -> tuple[tf.Tensor, AttentionWrapperState]:
        if not isinstance(state, AttentionWrapperState):
            raise TypeError(f"Expected state to be an AttentionWrapperState. Received type {type(state)}.")
        output, cell_state = self._cell(self._cell_input_fn(inputs, state.attention), state.cell_state)
        output = self._checked("cell_output", output, rows_of(output))
        mechanisms, histories = self._attention_mechanisms, state.alignment_history
        before = state.attention_state if self._is_multi else (state.attention_state,)
        parts = zip(mechanisms, before, self._attention_layers or [None] * len(mechanisms), strict=True)
        results = [self._attention_fn(one, output, last, layer) for one, last, layer in parts]
        attentions, alignments, states = zip(*results, strict=True)
        if self._alignment_history:
            pairs = zip(as_tuple(histories), alignments, strict=True)
            histories = self._item_or_tuple(array.write(state.time, weights) for array, weights in pairs)
        attention = tf.concat(attentions, 1)
        next_state = AttentionWrapperState(
            cell_state,
            attention,
            state.time + 1,
            self._item_or_tuple(alignments),
            histories,
            self._item_or_tuple(states),
        )
        return (attention if self._output_attention else output), next_state


def as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def join(inputs: tf.Tensor, attention: tf.Tensor) -> tf.Tensor:
    return tf.concat([inputs, attention], -1)


def attend(mechanism: Any, output: Any, state: Any, layer: Any) -> tuple[tf.Tensor, tf.Tensor, Any]:
    """Returns (attention, alignments, next state) of one mechanism."""
    alignments, state = mechanism(output, state=state)
    context = tf.linalg.matvec(mechanism.values, alignments, transpose_a=True)
    return (context if layer is None else layer(join(output, context))), alignments, state


def rows_of(tensor: tf.Tensor) -> Any:
    return tensor.shape.as_list()[0] or tf.shape(tensor)[0]


def with_same_shape(old: Any, new: Any) -> Any:
    """Returns a tensor, checked to have the shape of another one; what is not a tensor, as it is."""
    if new is old or not tf.is_tensor(old) or not tf.is_tensor(new):
        return new
    if not old.shape.is_compatible_with(new.shape):
        raise ValueError(f"clone: a tensor must keep its shape {old.shape}; received shape={new.shape}")
    if old.shape.is_fully_defined() and new.shape.is_fully_defined():
        return new
    with tf.control_dependencies([tf.compat.v1.assert_equal(tf.shape(old), tf.shape(new))]):
        return tf.ensure_shape(new, old.shape)
