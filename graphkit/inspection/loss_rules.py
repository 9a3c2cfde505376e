"""Rules of `check_graph` on how a loss is computed: logits, shapes, penalties, dropout."""

import re

import tensorflow as tf

from graphkit.graph import walk
from graphkit.inspection.graph_view import READS, GraphView, Problems, listed
from graphkit.nn import inputs, losses

SOFTMAX_LOSSES = ("SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits")
STABLE_LOGS = {"Softmax": "tf.nn.log_softmax", "Sigmoid": "tf.math.log_sigmoid"}
# Between a probability and its logarithm: a guard against log(0), a choice, or 1 - p.
GUARDS = "Add AddV2 Maximum Minimum ClipByValue Sub Gather GatherV2 GatherNd StridedSlice".split()
ELEMENTWISE = "Add AddV2 Sub Mul Div RealDiv SquaredDifference Maximum Minimum Pow".split()
ADDITIONS = re.compile(r"Add(V2)?$|BiasAdd|FusedBatchNorm")
CHOICES = ("Select", "SelectV2", "Merge")
UNIFORM = re.compile(r"(Stateless)?RandomUniform(V2)?$")


def softmax_twice(view: GraphView) -> Problems:
    """Finds probabilities that are given to a loss that takes logits."""
    for op in view.of_type(*SOFTMAX_LOSSES):
        source = walk.origin(op.inputs[0]).op
        if source.type == "Softmax":
            yield op, twice_message(view, "softmax", source)
    # tf.nn.sigmoid_cross_entropy_with_logits is made of several ops, so it is recognized by its arithmetic.
    for op in view.of_type("Log1p"):
        source = sigmoid_in_loss(op)
        if source is not None:
            yield op, twice_message(view, "sigmoid", source)


def relu_logits(view: GraphView) -> Problems:
    """Finds logits that a ReLU has cut off at 0: a class can only be made more likely, never less."""
    for op in view.of_type(*SOFTMAX_LOSSES):
        source = walk.origin(op.inputs[0]).op
        if source.type in ("Relu", "Relu6"):
            yield op, f"the logits of this loss are never below 0, after {view.named(source)}; leave it out"


def twice_message(view: GraphView, name: str, source: tf.Operation) -> str:
    return (
        f"this {name} cross entropy takes logits, but gets the probabilities of {view.named(source)}; "
        f"give it the inputs of that {name}"
    )


def sigmoid_in_loss(log1p: tf.Operation) -> tf.Operation | None:
    """Returns the Sigmoid x of log(1 + exp(-abs(x))), the middle of a sigmoid cross entropy, or None."""
    exponential = log1p.inputs[0].op
    if exponential.type != "Exp":
        return None
    argument = exponential.inputs[0].op
    if argument.type in CHOICES:  # of -x and x
        argument = argument.inputs[1].op
    if argument.type != "Neg":
        return None
    source = walk.origin(argument.inputs[0], (*walk.SAME_VALUES, "Abs")).op
    return source if source.type == "Sigmoid" else None


def log_of_softmax(view: GraphView) -> Problems:
    """Finds logarithms of probabilities, which lose the precision of the logits."""
    for op in view.of_type("Log"):
        source = guarded_probability(op.inputs[0])
        if source is not None:
            yield (
                op,
                f"log of {view.named(source)} is infinite, or its gradient lost, near a probability of 0; "
                f"use {STABLE_LOGS[source.type]} or a cross entropy of the logits "
                f"(gk.{source.type.lower()}_cross_entropy)",
            )


def guarded_probability(tensor: tf.Tensor) -> tf.Operation | None:
    """Returns the Softmax or Sigmoid under an added epsilon, a clip or a choice, or None."""
    while True:
        op = walk.origin(tensor).op
        if op.type in STABLE_LOGS:
            return op
        if op.type not in GUARDS:
            return None
        computed = [source for source in op.inputs if walk.origin(source).op.type != "Const"]
        if op.type.startswith(("Gather", "StridedSlice", "Clip")):
            computed = op.inputs[:1]  # the others are places or bounds
        if len(computed) != 1:
            return None
        tensor = computed[0]


def broadcast_in_loss(view: GraphView) -> Problems:
    """Finds (N,) against (N, 1), which compares each example with all others."""
    for op in view.of_type(*ELEMENTWISE):
        first, second = op.inputs
        shapes = (first.shape, second.shape)
        if not all(tensor.op in view.examples for tensor in op.inputs) or not makes_square(*shapes):
            continue
        if walk.origin(first) is walk.origin(second):
            continue  # all pairs of one array, as for distances: that is meant
        texts = [tuple(shape.as_list()) for shape in shapes]
        yield (
            op,
            f"{op.type} of shapes {texts[0]} and {texts[1]} compares each example with all others; "
            "give both one shape, with tf.squeeze(..., axis=1) or tf.expand_dims(..., axis=1)",
        )


def makes_square(first: tf.TensorShape, second: tf.TensorShape) -> bool:
    """True if the shapes are (N,) and (N, 1), in any order, which are broadcast to (N, N)."""
    if first.rank == 2 and second.rank == 1:
        first, second = second, first
    if first.rank != 1 or second.rank != 2:
        return False
    (size,), (rows, columns) = first.as_list(), second.as_list()  # in TensorFlow 1, a shape holds Dimensions
    return columns == 1 and 1 not in (size, rows) and (None in (size, rows) or size == rows)


def l2_on_bias(view: GraphView) -> Problems:
    """Finds L2 penalties on biases and on the scales and shifts of normalizations."""
    penalized: dict[str, tuple[tf.Operation, list[tf.Operation]]] = {}
    for op in view.penalties("L2Loss", "Sum", "Mean"):
        source = squared(op)
        variable = None if source is None else walk.origin(source, READS).op
        if variable in view.trained and is_bias(view, variable):
            penalized.setdefault(view.line(op), (op, []))[1].append(variable)
    for op, variables in penalized.values():
        yield (
            op,
            f"an L2 penalty on {listed(variables)}: biases, scales and shifts multiply no inputs, so a "
            "penalty only moves them away from where they fit; penalize the kernels alone, as gk.l2_penalty "
            "does",
        )


def squared(op: tf.Operation) -> tf.Tensor | None:
    """Returns the tensor whose squares an op sums, or None."""
    if op.type == "L2Loss":
        return op.inputs[0]
    source = walk.origin(op.inputs[0]).op
    square = source.type == "Square" or (source.type == "Mul" and source.inputs[0] is source.inputs[1])
    return source.inputs[0] if square else None


def is_bias(view: GraphView, op: tf.Operation) -> bool:
    """True for a variable with the name of a bias, and for a vector that is added to something."""
    if op.name.rsplit("/", 1)[-1] in losses.NOT_KERNELS:
        return True
    return view.trained[op].shape.rank == 1 and any(ADDITIONS.match(use.type) for use in view.uses(op))


def dropout_always_on(view: GraphView) -> Problems:
    """Finds dropout that is on unless something is fed, or always."""
    keep_probs = [tensor.op for tensor in view.graph.get_collection(inputs.KEEP_PROBS)]
    for op in dict.fromkeys(keep_probs):
        if op in view.loss_ops:
            yield from dropout_problem(op, op.outputs[0], off=1)
    for op in view.of_type("GreaterEqual"):
        if is_dropout_mask(view, op):
            yield from dropout_problem(op, op.inputs[1], off=0)


def dropout_problem(op: tf.Operation, probability: tf.Tensor, *, off: int) -> Problems:
    """Yields the problem of a dropout that is on by default.

    Args:
      op: the op to report.
      probability: keep_prob, or the rate of TensorFlow's own dropout.
      off: the value that switches it off: 1 for keep_prob, 0 for the rate.
    """
    value = walk.default_value(probability)
    if value is None or value == off or op.control_inputs:  # a branch of tf.cond has control inputs
        return
    fed = any(source.type == "PlaceholderWithDefault" for source in walk.ancestors([probability]))
    name, number = ("keep_prob", value) if off else ("rate", value)
    text = f"dropout is on in evaluation too: its {name} is {number:.4g}" + (" unless fed" if fed else "")
    fix = f"make its default {off}" if fed else f"use a placeholder with the default {off} for it"
    yield op, f"{text}; {fix} (as gk.keep_prob_input() does) and feed {name} in training"


def is_dropout_mask(view: GraphView, op: tf.Operation) -> bool:
    """True if an op compares random numbers with a rate to set units to 0, with no flag to skip it."""
    random = walk.origin(op.inputs[0], (*walk.SAME_VALUES, "Mul", "Add", "AddV2")).op
    of_units = op.outputs[0].shape.rank != 0 and op.inputs[1].shape.rank == 0
    if not UNIFORM.match(random.type) or not of_units:
        return False
    for user in view.consumers.get(op, ()):
        if user.type == "SelectV2" and not sets_to_zero(user):
            return False
        after = view.consumers.get(user, ())
        if after and all(later.type in CHOICES for later in after):
            return False  # a flag chooses between this and the units without dropout
    return op in view.consumers


def sets_to_zero(select: tf.Operation) -> bool:
    value = tf.get_static_value(select.inputs[2])
    return value is not None and not value.any()
