"""Recurrent layers: variables, scopes and results of TF1's `tf.nn.rnn_cell` under `dynamic_rnn`."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import control_flow
from graphkit.nn import initializers, scopes, tensors
from graphkit.nn.recurrent_cells import LSTMStateTuple, Weights, affine, gru_state, lstm_state
from graphkit.nn.variables import Initializer, Regularizer, VariableSpec, get_variable

__all__ = ["rnn"]

# Known time axes up to this length are unrolled, which took 10 to 25 % less time than a `while_loop` in
# forward and backward passes. The graph grows by some 70 ops for each step of each LSTM.
UNROLLED_STEPS = 32


State: TypeAlias = Sequence[tf.Tensor]  # of one cell: (h,), or (c, h) of an LSTM
Step: TypeAlias = Callable[[tf.Tensor, State], State]  # (inputs of the step, state) -> next state
MakeWeights: TypeAlias = Callable[..., Weights]  # (rows, columns) -> kernel, bias


def rnn(
    inputs: tensors.TensorLike,
    units: int,
    cell: str = "lstm",
    lengths: tensors.TensorLike | None = None,
    *,
    num_layers: int = 1,
    bidirectional: bool = False,
    initial_state: Any = None,
    forget_bias: float = 1.0,
    kernel_initializer: Initializer | None = None,
    bias_initializer: Initializer | None = None,
    kernel_regularizer: Regularizer | None = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tuple[tf.Tensor, Any]:
    """Runs recurrent cells over sequences, as `tf.nn.dynamic_rnn` ran those of `tf.nn.rnn_cell`.

    What lies beyond a sequence's length has no influence on any output, state or gradient. A known time
    axis of up to 32 steps is unrolled in the graph; others run in a `while_loop`.

    Args:
      inputs: floating-point (batch, time, features); batch and time may be unknown, time is at least 1.
      units: how many units a cell has.
      cell: "simple", "gru" or "lstm".
      lengths: int32 or int64 (batch,): valid time steps of each sequence, from 0 to time; None for all.
        Constants outside this range are refused; fed lengths are clipped to it.
      num_layers: how many cells are stacked, each reading the outputs of the one below.
      bidirectional: whether each layer has a second cell, which reads the valid steps from the last to
        the first; a layer's outputs are then those of both, concatenated step by step.
      initial_state: of the structure of the final state, in the inputs' dtype; None for zeros.
      forget_bias: added to the forget gate of an LSTM, in the graph and not in the variable.
      kernel_initializer: of all kernels; None takes the variable scope's, or else Glorot's uniform.
      bias_initializer: of all biases; None is zeros, and ones for the gates of a GRU.
      kernel_regularizer: a function kernel -> scalar loss, added to REGULARIZATION_LOSSES.
      trainable: whether the variables are added to TRAINABLE_VARIABLES.
      name: variable scope, as `scope` in TF1; unnamed ones are numbered rnn, rnn_1, … (with
        `bidirectional`: bidirectional_rnn, and stack_bidirectional_rnn with several layers).
      reuse: whether to reuse the variables of an earlier call of that name.

    Returns:
      (outputs, state). Outputs are (batch, time, units), or (batch, time, 2 * units) if bidirectional
      (forward first), of the last layer, and zero beyond a sequence's length. The state is that after
      each sequence's last valid step (for `bw`: its first one), and the initial one at length 0: a tensor
      (batch, units), or for "lstm" a named tuple (c, h) of two; with several layers a tuple of those, one
      for each layer; if bidirectional, a pair (forward, backward) of these.

    Variables:
      With n = inputs of the cell + units, in rows, those of the inputs first:
      simple: `<name>/basic_rnn_cell/kernel` (n, units), `bias` (units,).
      gru: `<name>/gru_cell/gates/kernel` (n, 2 * units) in the order r, u, `gates/bias` (2 * units,),
      `<name>/gru_cell/candidate/kernel` (n, units), `candidate/bias` (units,).
      lstm: `<name>/lstm_cell/kernel` (n, 4 * units) in the order i, j, f, o, `bias` (4 * units,).
      Several layers have them in `<name>/multi_rnn_cell/cell_0/…`, `cell_1/…`; bidirectional ones in
      `<name>/fw/…`, `<name>/bw/…`; both in `<name>/cell_0/bidirectional_rnn/fw/…`. So TF1 named them, in
      stacked bidirectional nets those of `tf.contrib.rnn.stack_bidirectional_dynamic_rnn`.

    Raises:
      TypeError: `inputs` is not a floating-point tensor, or `lengths` are not int32 or int64.
      ValueError: an argument is out of its range, its shape does not fit, or the variables exist and reuse
        is not set.

    Formula: with [x, h] the step's input next to the last output, W and b those above, σ the sigmoid:
      simple: h' = tanh([x, h] W + b)
      gru: r, u = σ([x, h] W_g + b_g); h' = u * h + (1 - u) * tanh([x, r * h] W_c + b_c)
      lstm: i, j, f, o = [x, h] W + b; c' = σ(f + forget_bias) * c + σ(i) * tanh(j); h' = σ(o) * tanh(c')

    Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997), with the
    forget gate of F. A. Gers et al., "Learning to forget", Neural Computation 12 (2000); K. Cho et al.,
    "Learning phrase representations using RNN encoder-decoder", EMNLP 2014 (GRU).

    Example:
      >>> lengths = tf.compat.v1.placeholder(tf.int32, (None,))
      >>> outputs, state = gk.rnn(tf.one_hot(gk.token_input(16), 28), 96, lengths=lengths, name="encoder")
      >>> outputs.shape.as_list(), state.h.shape.as_list()
      ([None, 16, 96], [None, 96])
      >>> [variable.op.name for variable in tf.compat.v1.trainable_variables()]
      ['encoder/lstm_cell/kernel', 'encoder/lstm_cell/bias']
    """
    check = checks.Checker("rnn")
    inputs = tensors.float_tensor(check, "inputs", inputs, rank=3)
    tensors.static_size(check, "inputs", inputs, -1)
    check.require(known_time(inputs) != 0, "inputs must have a time step", shape=tensors.shape_text(inputs))
    units = check.integer("units", units)
    num_layers = check.integer("num_layers", num_layers)
    cell = check.choice("cell", cell, tuple(CELLS))
    forget_bias = check.number("forget_bias", forget_bias)
    check.require(
        cell == "lstm" or forget_bias == 1,
        "forget_bias is for an LSTM only",
        cell=cell,
        forget_bias=forget_bias,
    )
    scope_name, make_step = CELLS[cell]
    dtype = inputs.dtype.base_dtype
    kernel_spec = VariableSpec("kernel", kernel_initializer, kernel_regularizer)

    def weights(rows: int, columns: int, bias_default: Callable[[], Initializer] = initializers.zeros):
        """Makes a kernel and its bias in the current scope; returns their values."""
        bias_spec = VariableSpec("bias", bias_default() if bias_initializer is None else bias_initializer)
        kernel = get_variable(check, kernel_spec, (rows, columns), dtype, trainable)
        bias = get_variable(check, bias_spec, (columns,), dtype, trainable)
        # Read here once: inside the loop or the unrolled steps, each step would add an op that reads them.
        return tf.convert_to_tensor(kernel), tf.convert_to_tensor(bias)

    def make_cell(features: int) -> Step:
        return make_step(weights, features, units, forget_bias)

    with scopes.layer_scope(check, name, default_scope(num_layers, bidirectional), reuse):
        lengths = check_lengths(check, inputs, lengths)
        structure = state_structure(cell, num_layers, bidirectional)
        initial = check_initial_state(check, inputs, units, structure, initial_state)
        # Even what is not finite in the padding must not reach a gradient, where 0 * inf is not 0.
        valid = zero_beyond(inputs, lengths)
        outputs, final = run_layers(
            make_cell, scope_name, valid, initial, lengths, num_layers, directions(bidirectional)
        )
        return zero_beyond(outputs, lengths), tf.nest.pack_sequence_as(structure, final)


def run_layers(
    make_cell: Callable[[int], Step],
    scope_name: str,
    inputs: tf.Tensor,
    initial: Sequence[tf.Tensor],
    lengths: tf.Tensor | None,
    num_layers: int,
    directions: Sequence[str],
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Returns (outputs of the last layer, final state) of stacked cells, in one or both directions.

    Initial and final state are flat, in TF1's order: all layers forward, then all layers backward.
    """
    cells = [(direction, layer) for direction in directions for layer in range(num_layers)]
    parts = len(initial) // len(cells)
    states: dict[tuple[str, int], State] = {
        key: initial[parts * place : parts * (place + 1)] for place, key in enumerate(cells)
    }
    outputs = inputs
    for layer in range(num_layers):
        results = []
        for direction in directions:
            key = direction, layer
            with tf.compat.v1.variable_scope(cell_scope(scope_name, layer, num_layers, direction)):
                step = make_cell(outputs.shape.as_list()[-1])
                result, states[key] = run_cell(step, outputs, states[key], lengths, direction)
                results.append(result)
        outputs = tf.concat(results, axis=-1) if len(results) > 1 else results[0]
    return outputs, [part for key in cells for part in states[key]]


def simple_step(weights: MakeWeights, features: int, units: int, forget_bias: float) -> Step:
    """Makes the variables of TF1's BasicRNNCell; returns its step (input, (h,)) -> (new h,)."""
    kernel, bias = weights(features + units, units)

    def step(x: tf.Tensor, state: State) -> State:
        return (tf.tanh(affine([x, state[0]], kernel, bias)),)

    return step


def gru_step(weights: MakeWeights, features: int, units: int, forget_bias: float) -> Step:
    """Makes the variables of TF1's GRUCell; returns its step (input, (h,)) -> (new h,)."""
    with tf.compat.v1.variable_scope("gates"):
        gates_kernel, gates_bias = weights(features + units, 2 * units, tf.compat.v1.ones_initializer)
    with tf.compat.v1.variable_scope("candidate"):
        kernel, bias = weights(features + units, units)

    def step(x: tf.Tensor, state: State) -> State:
        return (gru_state(x, state[0], (gates_kernel, gates_bias), (kernel, bias)),)

    return step


def lstm_step(weights: MakeWeights, features: int, units: int, forget_bias: float) -> Step:
    """Makes the variables of TF1's LSTMCell; returns its step (input, (c, h)) -> (new c, new h)."""
    kernel, bias = weights(features + units, 4 * units)
    bias += tf.constant(np.repeat([0, 0, forget_bias, 0], units), bias.dtype)

    def step(x: tf.Tensor, state: State) -> State:
        c, h = state
        return lstm_state(tf.split(affine([x, h], kernel, bias), 4, axis=1), c)

    return step


# Scope of the variables, and what makes the step, of each cell.
CELLS = {
    "simple": ("basic_rnn_cell", simple_step),
    "gru": ("gru_cell", gru_step),
    "lstm": ("lstm_cell", lstm_step),
}


def run_cell(
    step: Step, inputs: tf.Tensor, state: State, lengths: tf.Tensor | None, direction: str
) -> tuple[tf.Tensor, State]:
    """Returns (outputs (batch, time, units), state at the last valid step) of one cell.

    Beyond a sequence's length the cell keeps running, which is cheaper than to hold its state in each step.
    What it computes there is finite, and nothing uses it.
    """
    backward = direction == "bw"
    inputs = reverse(inputs, lengths) if backward else inputs
    time = known_time(inputs)
    short = time is not None and time <= UNROLLED_STEPS
    histories, last = (unroll if short else loop)(step, inputs, state)
    if lengths is not None:
        last = [at_length(history, lengths, first) for history, first in zip(histories, state, strict=True)]
    outputs = reverse(histories[-1], lengths) if backward else histories[-1]
    return outputs, last


def unroll(step: Step, inputs: tf.Tensor, state: State) -> tuple[list[tf.Tensor], State]:
    """Returns (each part of the state at all steps (batch, time, units), state after the last step)."""
    states = []
    for x in tf.unstack(inputs, axis=1):
        state = step(x, state)
        states.append(state)
    return [tf.stack(part, axis=1) for part in zip(*states, strict=True)], state


def loop(step: Step, inputs: tf.Tensor, state: State) -> tuple[list[tf.Tensor], State]:
    """Does what `unroll` does, for any number of steps."""
    time = tf.shape(inputs)[1]
    with loop_of_functions(time.op):
        return add_loop(step, inputs, state, time)


@contextlib.contextmanager
def loop_of_functions(op: tf.Operation) -> Iterator[None]:
    """In a block, builds loops of functions: XLA compiles no others, and masks of dropout are keyed there.

    Inside a loop of TensorFlow 1, where none of them has gradients, loops stay those of TensorFlow 1.

    Args:
      op: one that was just made where the loop will be.
    """
    wanted = tf.compat.v1.control_flow_v2_enabled() or not scopes.runs_more_than_once(op)
    with control_flow.of_functions(wanted):
        yield


def add_loop(step: Step, inputs: tf.Tensor, state: State, time: tf.Tensor) -> tuple[list[tf.Tensor], State]:
    steps = tf.TensorArray(inputs.dtype, time).unstack(tf.transpose(inputs, [1, 0, 2]))
    arrays = [tf.TensorArray(part.dtype, time, element_shape=part.shape) for part in state]

    def body(t: tf.Tensor, state: State, arrays: Sequence[tf.TensorArray]) -> tuple:
        state = step(steps.read(t), state)
        return t + 1, state, tuple(array.write(t, part) for array, part in zip(arrays, state, strict=True))

    start = (tf.constant(0), tuple(state), tuple(arrays))
    _, last, arrays = tf.compat.v1.while_loop(lambda t, *_: t < time, body, start, maximum_iterations=time)
    histories = [tf.transpose(array.stack(), [1, 0, 2]) for array in arrays]
    for history in histories:
        history.set_shape((*inputs.shape.as_list()[:2], None))
    return histories, last


def at_length(history: tf.Tensor, lengths: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """Returns a part of the state after each sequence's last step, `first` where a sequence has no step."""
    last = tf.maximum(lengths - 1, 0)
    places = tf.stack([tf.range(tf.shape(history)[0]), last], axis=1)
    return tf.where(lengths[:, tf.newaxis] > 0, tf.gather_nd(history, places), first)


def reverse(sequences: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
    """Reverses the valid steps of each sequence, and leaves the padding where it is."""
    if lengths is None:
        return tf.reverse(sequences, [1])
    return tf.reverse_sequence(sequences, lengths, seq_axis=1, batch_axis=0)


def zero_beyond(sequences: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
    """Sets all steps beyond each sequence's length to zero."""
    if lengths is None:
        return sequences
    batch, time = tf.unstack(tf.shape(sequences)[:2])
    # Fed lengths of another number than the batch fail in this reshape. They would be broadcast otherwise.
    valid = tf.reshape(tf.sequence_mask(lengths, time), [batch, time, 1])
    masked = tf.where(valid, sequences, tf.zeros((), sequences.dtype))
    return tf.ensure_shape(masked, sequences.shape)


def known_time(sequences: tf.Tensor) -> int | None:
    return sequences.shape.as_list()[1]


def directions(bidirectional: bool) -> tuple[str, ...]:
    return ("fw", "bw") if bidirectional else ("",)


def default_scope(num_layers: int, bidirectional: bool) -> str:
    if not bidirectional:
        return "rnn"
    return "bidirectional_rnn" if num_layers == 1 else "stack_bidirectional_rnn"


def cell_scope(scope_name: str, layer: int, num_layers: int, direction: str) -> str:
    """Returns the scope of a cell inside the outer one, as TF1's wrappers nested them."""
    if num_layers == 1:
        outer = [direction]
    elif direction:
        outer = [f"cell_{layer}", "bidirectional_rnn", direction]
    else:
        outer = ["multi_rnn_cell", f"cell_{layer}"]
    return "/".join(part for part in (*outer, scope_name) if part)


def state_structure(cell: str, num_layers: int, bidirectional: bool) -> Any:
    """Returns the structure of the state, with names instead of tensors."""
    structure: Any = LSTMStateTuple("c", "h") if cell == "lstm" else "h"
    structure = (structure,) * num_layers if num_layers > 1 else structure
    return (structure, structure) if bidirectional else structure


def check_lengths(
    check: checks.Checker, inputs: tf.Tensor, lengths: tensors.TensorLike | None
) -> tf.Tensor | None:
    """Returns the lengths as an int32 tensor in 0..time, or None."""
    if lengths is None:
        return None
    lengths = tensors.to_tensor(check, "lengths", lengths)
    right = lengths.dtype in (tf.int32, tf.int64)
    check.require_type(right, "lengths must be int32 or int64", dtype=lengths.dtype.name)
    tensors.check_rank(check, "lengths", lengths, 1)
    fits = lengths.shape.is_compatible_with(inputs.shape[:1])
    received = {"lengths": tensors.shape_text(lengths), "inputs": tensors.shape_text(inputs)}
    check.require(fits, "lengths must have one number for each sequence", **received)
    known = tf.get_static_value(lengths)
    if known is not None and known.size:
        low, high, time = int(known.min()), int(known.max()), known_time(inputs)
        fits = low >= 0 and (time is None or high <= time)
        check.require(fits, "lengths must lie in 0..time", minimum=low, maximum=high, time=time)
    time = tf.shape(inputs, out_type=lengths.dtype)[1]
    return tf.cast(tf.clip_by_value(lengths, 0, time), tf.int32)


def check_initial_state(
    check: checks.Checker, inputs: tf.Tensor, units: int, structure: Any, state: Any
) -> list[tf.Tensor]:
    """Returns the tensors of the initial state in one list: those given, or zeros."""
    if state is None:
        batch = inputs.shape.as_list()[0]
        batch = tf.shape(inputs)[0] if batch is None else batch
        return [tf.zeros((batch, units), inputs.dtype) for _ in tf.nest.flatten(structure)]
    try:
        tf.nest.assert_same_structure(structure, state, check_types=False)
    except (TypeError, ValueError):
        rule = f"initial_state must have the structure {structure}"
        raise ValueError(check.message(rule, initial_state=state)) from None
    parts = [tensors.float_tensor(check, "initial_state", part, 2) for part in tf.nest.flatten(state)]
    for tensor in parts:
        fits = (
            tensor.shape.is_compatible_with((inputs.shape.as_list()[0], units))
            and tensor.dtype == inputs.dtype
        )
        rule = f"initial_state must hold {inputs.dtype.name} tensors (batch, {units})"
        received = {"shape": tensors.shape_text(tensor), "dtype": tensor.dtype.name}
        check.require(fits, rule, **received)
    return parts
