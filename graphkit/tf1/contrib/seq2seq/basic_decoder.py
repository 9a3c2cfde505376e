"""A decoder whose helper takes one token per step."""

from typing import Any, NamedTuple

import tensorflow as tf

from graphkit.tf1.contrib.seq2seq import decoding, helpers


class BasicDecoderOutput(NamedTuple):
    """What a step gives: the cell's output, or the output layer's, and what the helper has sampled."""

    rnn_output: Any
    sample_id: Any


class BasicDecoder(decoding.Decoder):
    """Runs a cell whose inputs a helper chooses."""

    def __init__(self, cell: Any, helper: Any, initial_state: Any, output_layer: Any = None) -> None:
        decoding.check_parts(cell, output_layer)
        if not isinstance(helper, helpers.Helper):
            raise TypeError(f"helper must be a Helper, received: {type(helper)}")
        self._cell, self._helper = cell, helper
        self._initial_state, self._output_layer = initial_state, output_layer

    batch_size = property(lambda self: self._helper.batch_size)
    output_size = property(lambda self: BasicDecoderOutput(self._size(), self._helper.sample_ids_shape))

    def _size(self) -> Any:
        size = self._cell.output_size
        if self._output_layer is None:
            return size
        shapes = tf.nest.map_structure(lambda one: tf.TensorShape([None]).concatenate(one), size)
        made = self._output_layer.compute_output_shape(shapes)
        return tf.nest.map_structure(lambda shape: tf.TensorShape(shape)[1:], made)

    @property
    def output_dtype(self) -> BasicDecoderOutput:
        # The outputs of a cell are taken to have the dtype of its state, as in TensorFlow 1.15.
        dtype = tf.nest.flatten(self._initial_state)[0].dtype
        dtypes = tf.nest.map_structure(lambda _: dtype, self._size())
        return BasicDecoderOutput(dtypes, self._helper.sample_ids_dtype)

    def initialize(self, name: Any = None) -> tuple[tf.Tensor, Any, Any]:
        return (*self._helper.initialize(), self._initial_state)

    def step(self, time: Any, inputs: Any, state: Any, name: Any = None) -> decoding.Step:
        with tf.compat.v1.name_scope(name, "BasicDecoderStep"):
            outputs, state = self._cell(inputs, state)
            if self._output_layer is not None:
                outputs = self._output_layer(outputs)
            ids = self._helper.sample(time=time, outputs=outputs, state=state)
            finished, inputs, state = self._helper.next_inputs(
                time=time, outputs=outputs, state=state, sample_ids=ids
            )
        return BasicDecoderOutput(outputs, ids), state, inputs, finished
