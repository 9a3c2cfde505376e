"""Faults of a graph that TensorFlow runs without a word, found before the first step."""

import itertools
import re
from collections import Counter
from typing import NamedTuple

import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.nn import inputs, losses, scopes

__all__ = ["Finding", "check_graph"]

Keys = tf.compat.v1.GraphKeys
SOFTMAX_LOSSES = ("SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits")
LOG_MENDS = {"Softmax": "tf.nn.log_softmax", "Sigmoid": "tf.math.log_sigmoid"}
# Between a probability and its logarithm: a guard against log(0), a choice, or 1 - p.
GUARDS = "Add AddV2 Maximum Minimum ClipByValue Sub Gather GatherV2 GatherNd StridedSlice".split()
FLOATS = {tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.complex64, tf.complex128}
CARRIERS = {*FLOATS, tf.resource, tf.variant}  # variables and lists of tensors stand for what they hold
# Take and give floats, but hand no gradient on.
STOPS = (
    "StopGradient Round Rint Floor Ceil Sign FloorDiv ZerosLike OnesLike OneHot LinSpace Range Unique "
    "UniqueV2 PyFunc PyFuncStateless Assign AssignAdd AssignSub"
).split()
WRITES = re.compile(r"Assign|(Resource)?(Sparse)?Apply|(Resource)?Scatter(?!Nd$)")
READS = ("ReadVariableOp", *walk.SAME_VALUES)
ELEMENTWISE = "Add AddV2 Sub Mul Div RealDiv SquaredDifference Maximum Minimum Pow".split()
ADDITIONS = re.compile(r"Add(V2)?$|BiasAdd|FusedBatchNorm")
CHOICES = ("Select", "SelectV2", "Merge")
UNIFORM = re.compile(r"(Stateless)?RandomUniform(V2)?$")
# What an op beside the loss depends on: what the loss trains; what it computes of examples; variables to
# train that the loss does not depend on.
TRAINED, COMPUTED, APART = 1, 2, 4
REPEATED = 20  # idle ops alike, from which on they are taken for those of a training loop
SHOWN = 3


class Finding(NamedTuple):
    """One fault that `gk.check_graph` found; printed, it is one readable line.

    Attributes:
      rule: short name of the rule that found it, such as "softmax_twice".
      op: name of the op or variable at fault; of the first one, where a line made several.
      line: "file:line" of the program that made it.
      message: what is wrong, and the mend.

    Example:
      >>> print(gk.Finding("unused_placeholder", "x", "train.py:12", "nothing takes it; delete it"))
      train.py:12: nothing takes it; delete it [unused_placeholder: x]
    """

    rule: str
    op: str
    line: str
    message: str

    def __str__(self):
        return f"{self.line}: {self.message} [{self.rule}: {self.op}]"


def check_graph(loss, train_op=None, variables=None):
    """Looks through a TF1 graph for faults that TensorFlow runs without a word.

    Nothing is run and no op is added: the graph may be finalized, or still grow. Only what the loss
    depends on is judged, and what was meant to reach it. The rules:

    - softmax_twice: a softmax (sigmoid) before a loss that takes logits.
    - log_of_softmax: the logarithm of a softmax or sigmoid.
    - no_gradient: trainable variables that the loss gives no gradient.
    - unreached_collections: regularization losses and update ops that reach no training.
    - broadcast_in_loss: (N,) against (N, 1), which makes N x N.
    - l2_on_bias: an L2 penalty on biases, or on the scales of a normalization.
    - dropout_always_on: dropout that evaluation cannot switch off, or that is on unless fed.
    - unshared_towers: layers that two towers for different inputs were meant to share.
    - ops_in_loop: ops that a training loop adds to the graph.
    - unused_placeholder: placeholders that nothing takes.

    Args:
      loss: floating-point scalar tensor.
      train_op: the op (or ops, in a list) of a training step of one's own. None stands for a `gk.Trainer`,
        which runs all UPDATE_OPS and adds missing REGULARIZATION_LOSSES by itself.
      variables: the variables to train; None for all trainable ones.

    Returns:
      A list of `Finding`, empty where there is nothing to mend.

    Raises:
      TypeError: a loss or train_op that is no part of a graph.
      ValueError: a loss that is no floating-point scalar, or a train_op or variables of another graph.

    Example:
      >>> probabilities = gk.softmax(gk.dense(gk.feature_input(4), 3))
      >>> loss = gk.softmax_cross_entropy(probabilities, gk.label_input())
      >>> [finding.rule for finding in gk.check_graph(loss)]
      ['softmax_twice']
    """
    graph = walk.check_loss("check_graph", loss)
    view = View(graph, loss, check_train_op(graph, train_op), check_variables(graph, variables))
    return [
        Finding(rule, op.name, view.line(op), message)
        for rule, find in RULES.items()
        for op, message in find(view)
    ]


def report(findings):
    """Returns the findings as text, one a line."""
    return "\n".join(map(str, findings))


def check_train_op(graph, train_op):
    """Returns the ops and tensors of a training step in a list, or None."""
    if train_op is None:
        return None
    rule = "train_op must be an op or a tensor of the loss's graph, or a list of them"
    given = list(train_op) if isinstance(train_op, (list, tuple)) else [train_op]
    for item in given:
        if not (isinstance(item, tf.Operation) or walk.is_graph_tensor(item)):
            raise TypeError(checks.message("check_graph", rule, train_op=item))
        checks.require(item.graph is graph, "check_graph", rule, train_op=item.name)
    return given


def check_variables(graph, variables):
    """Returns {op: variable} of the variables to train."""
    rule = "variables must be a list of variables of the loss's graph"
    if not isinstance(variables, (list, tuple, type(None))):
        raise TypeError(checks.message("check_graph", rule, variables=variables))
    for variable in variables or ():
        if not isinstance(variable, tf.Variable):
            raise TypeError(checks.message("check_graph", rule, variables=variable))
        checks.require(variable.graph is graph, "check_graph", rule, variables=variable.name)
    trained = graph.get_collection(Keys.TRAINABLE_VARIABLES) if variables is None else variables
    return {walk.handle_op(variable): variable for variable in trained}


class View:
    """What the rules look at, each thing read from the graph once."""

    def __init__(self, graph, loss, train_op, trained):
        self.graph = graph
        self.loss = loss
        self.own_training = train_op is not None
        self.trained = trained
        self.ops = graph.get_operations()
        self.loss_ops = walk.ancestors([loss])
        self.run_ops = self.loss_ops | walk.ancestors(train_op or [])
        self.terms = self.collected(Keys.REGULARIZATION_LOSSES)
        self.updates = self.collected(Keys.UPDATE_OPS)
        self.penalty_ops = self.loss_ops | walk.ancestors(self.terms)
        self.consumers = walk.consumers(self.ops)
        self.examples = walk.inputs_of_examples(self.ops)
        self.learned = walk.descendants(trained, self.ops)
        self.types = {}
        for op in self.ops:
            if op in self.penalty_ops:
                self.types.setdefault(op.type, []).append(op)
        self.lines = {}

    def collected(self, key):
        """Returns the ops of this graph that a collection holds, or whose tensors or variables it holds."""
        ops = (getattr(item, "op", item) for item in self.graph.get_collection(key))
        return [op for op in ops if isinstance(op, tf.Operation) and op.graph is self.graph]

    def penalties(self, *types):
        """Returns the ops of these types that the loss or a regularization loss depends on."""
        return [op for kind in types for op in self.types.get(kind, ())]

    def of_type(self, *types):
        """Returns the ops of these types that the loss depends on."""
        return [op for op in self.penalties(*types) if op in self.loss_ops]

    def line(self, op):
        """Returns the line of the user's program that made the op."""
        if op not in self.lines:
            self.lines[op] = scopes.user_line(op.traceback)
        return self.lines[op]

    def named(self, op):
        return f"{op.type} {op.name} ({self.line(op)})"

    def by_line(self, ops):
        """Returns the ops in lists, one for each line that made them."""
        groups = {}
        for op in ops:
            groups.setdefault(self.line(op), []).append(op)
        return list(groups.values())

    def uses(self, variable):
        """Returns the ops, among those that the loss depends on, that compute with a variable's values."""
        waiting, seen = [variable], []
        while waiting:
            for user in self.consumers.get(waiting.pop(), ()):
                if user in self.loss_ops:
                    (waiting if user.type in READS else seen).append(user)
        return seen


def listed(ops):
    """Returns the names of the first few ops, and how many more there are."""
    names = ", ".join(op.name for op in ops[:SHOWN])
    return names + (f" and {len(ops) - SHOWN} more" if len(ops) > SHOWN else "")


def softmax_twice(view):
    """Finds probabilities that are given to a loss that takes logits."""
    for op in view.of_type(*SOFTMAX_LOSSES):
        source = walk.origin(op.inputs[0]).op
        if source.type == "Softmax":
            yield op, twice_message(view, "softmax", source)
    for op in view.of_type("Log1p"):
        source = sigmoid_in_loss(op)
        if source is not None:
            yield op, twice_message(view, "sigmoid", source)


def twice_message(view, name, source):
    return (
        f"this {name} cross entropy takes logits, and is given the probabilities of {view.named(source)}; "
        f"give it what goes into that {name}"
    )


def sigmoid_in_loss(log1p):
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


def log_of_softmax(view):
    """Finds logarithms of probabilities, which lose what the logits hold."""
    for op in view.of_type("Log"):
        source = guarded_probability(op.inputs[0])
        if source is not None:
            yield (
                op,
                f"log of {view.named(source)} is infinite, or its gradient lost, near a probability of 0; "
                f"take {LOG_MENDS[source.type]} or a cross entropy of the logits "
                f"(gk.{source.type.lower()}_cross_entropy)",
            )


def guarded_probability(tensor):
    """Returns the Softmax or Sigmoid under an added epsilon, a clip or a choice, or None."""
    while True:
        op = walk.origin(tensor).op
        if op.type in LOG_MENDS:
            return op
        if op.type not in GUARDS:
            return None
        computed = [source for source in op.inputs if walk.origin(source).op.type != "Const"]
        if op.type.startswith(("Gather", "StridedSlice", "Clip")):
            computed = op.inputs[:1]
        if len(computed) != 1:
            return None
        tensor = computed[0]


def no_gradient(view):
    """Finds trained variables that the loss does not depend on, or only through what stops gradients."""
    reached = gradient_ops(view.loss)
    updated = {
        source for op in view.run_ops - view.loss_ops if WRITES.match(op.type) for source in walk.sources(op)
    }
    stopped, apart = {}, []
    for op in view.trained:
        if op in reached or op in updated:
            continue
        if op in view.loss_ops:
            stopped.setdefault(first_stop(view, op, reached), []).append(op)
        else:
            apart.append(op)
    for stop, ops in stopped.items():
        text = f"the loss depends on {listed(ops)} only through {view.named(stop)}, which stops the gradient"
        yield ops[0], f"{text}; compute the loss without it, or make the variable with trainable=False"
    for ops in view.by_line(apart):
        text = f"the loss does not depend on {listed(ops)}, so that no step trains it"
        yield ops[0], f"{text}; connect it to the loss, or delete it or make it with trainable=False"


def gradient_ops(loss):
    """Returns the ops that the loss hands a gradient to."""
    waiting, reached = [loss.op], {loss.op}
    while waiting:
        op = waiting.pop()
        if stops_gradient(op):
            continue
        for tensor in op.inputs:
            source = tensor.op
            if source not in reached and tensor.dtype.base_dtype in CARRIERS:
                reached.add(source)
                waiting.append(source)
    return reached


def stops_gradient(op):
    """Tells whether an op of floats hands on no gradient, and no other gradient was given to it."""
    return op.type in STOPS and "_gradient_op_type" not in op.node_def.attr


def first_stop(view, variable, reached):
    """Returns the first op after a variable that hands on no gradient."""
    waiting, seen = [variable], {variable}
    for op in waiting:
        for user in view.consumers.get(op, ()):
            if user not in view.loss_ops or user in seen:
                continue
            if stops_gradient(user) or not any(t.dtype.base_dtype in CARRIERS for t in user.outputs):
                return user
            seen.add(user)
            waiting.append(user)
    return variable


def unreached_collections(view):
    """Finds regularization losses and update ops that are in no training step, or in one for nothing."""
    if view.own_training:
        yield from missing_terms(view)
        missing = [op for op in view.updates if op not in view.run_ops]
        if missing:
            yield (
                missing[0],
                f"the training op runs no {listed(missing)} of UPDATE_OPS, so that moving averages stay what "
                "they were; make it under tf.control_dependencies(tf.compat.v1.get_collection('update_ops'))",
            )
        return
    marks = beside_loss(view) if view.terms or view.updates else {}
    for ops in view.by_line(term for term in view.terms if not marks[term] & TRAINED):
        yield (
            ops[0],
            f"the regularization loss {listed(ops)} is of no trainable variable that the loss depends on; "
            "delete its layer, or connect that to the loss",
        )
    for ops in view.by_line(op for op in view.updates if is_apart(view, op, marks[op])):
        yield (
            ops[0],
            f"{listed(ops)} of UPDATE_OPS belongs to a part of the graph that the loss does not depend on; "
            "delete that part, or connect it to the loss",
        )


def missing_terms(view):
    """Finds regularization losses that a training op of one's own leaves out."""
    missing = [term for term in view.terms if not is_held(view, term)]
    if missing:
        yield (
            missing[0],
            f"the loss leaves out {listed(missing)} of REGULARIZATION_LOSSES, so that it does nothing; "
            "add tf.compat.v1.losses.get_regularization_loss() to the loss",
        )


def is_held(view, term):
    """Tells whether the training computes a regularization loss, or a copy of it."""
    alike = (op for op in view.penalties(term.type) if op in view.run_ops)
    return term in view.run_ops or any(walk.same_computation(term, op) for op in alike)


def is_apart(view, update, mark):
    """Tells whether an update is of examples, but of nothing that the loss computes of them."""
    written = [tensor.op for tensor in update.inputs if tensor.op.type in walk.VARIABLES]
    if update not in view.examples or any(op in view.loss_ops for op in (update, *written)):
        return False
    return bool(mark & APART) or not mark & COMPUTED


def beside_loss(view):
    """Returns {op: marks} that say of which part of the loss an op is made, and of what beside it."""
    marks = {}
    for op in view.ops:
        if op in view.loss_ops:
            computed = op in view.examples and op.inputs
            marks[op] = (TRAINED if op in view.learned else 0) | (COMPUTED if computed else 0)
        else:
            marks[op] = APART if op in view.trained else 0
            for source in walk.sources(op):
                marks[op] |= marks.get(source, 0)  # 0 for the end of a loop that leads back
    return marks


def broadcast_in_loss(view):
    """Finds (N,) against (N, 1), which compares all examples with all."""
    for op in view.of_type(*ELEMENTWISE):
        first, second = op.inputs
        shapes = (first.shape, second.shape)
        if not all(tensor.op in view.examples for tensor in op.inputs) or not makes_square(*shapes):
            continue
        if walk.origin(first) is walk.origin(second):
            continue  # all pairs of one array are meant
        texts = [tuple(shape.as_list()) for shape in shapes]
        yield (
            op,
            f"{op.type} of shapes {texts[0]} and {texts[1]} compares all examples with all; "
            "give both one shape, with tf.squeeze(..., axis=1) or tf.expand_dims(..., axis=1)",
        )


def makes_square(first, second):
    """Tells whether shapes (N,) and (N, 1), in any order, are broadcast to (N, N)."""
    if first.rank == 2 and second.rank == 1:
        first, second = second, first
    if first.rank != 1 or second.rank != 2 or second[1] != 1:
        return False
    sizes = (first[0], second[0])
    return 1 not in sizes and (None in sizes or sizes[0] == sizes[1])


def l2_on_bias(view):
    """Finds L2 penalties on biases and on the scales and shifts of normalizations."""
    penalized = {}
    for op in view.penalties("L2Loss", "Sum", "Mean"):
        source = squared(op)
        variable = None if source is None else walk.origin(source, READS).op
        if variable in view.trained and is_bias(view, variable):
            penalized.setdefault(view.line(op), (op, []))[1].append(variable)
    for op, variables in penalized.values():
        yield (
            op,
            f"an L2 penalty on {listed(variables)}: biases, scales and shifts weigh no inputs, and are only "
            "pulled from where they fit; penalize the kernels alone, as gk.l2_penalty does",
        )


def squared(op):
    """Returns the tensor whose squares an op sums, or None."""
    if op.type == "L2Loss":
        return op.inputs[0]
    source = walk.origin(op.inputs[0]).op
    square = source.type == "Square" or (source.type == "Mul" and source.inputs[0] is source.inputs[1])
    return source.inputs[0] if square else None


def is_bias(view, op):
    """Tells whether a variable is a bias by name, or a vector that is added to something."""
    if op.name.rsplit("/", 1)[-1] in losses.NOT_KERNELS:
        return True
    return view.trained[op].shape.rank == 1 and any(ADDITIONS.match(use.type) for use in view.uses(op))


def dropout_always_on(view):
    """Finds dropout that is on unless something is fed, or even then."""
    keep_probs = [tensor.op for tensor in view.graph.get_collection(inputs.KEEP_PROBS)]
    for op in dict.fromkeys(keep_probs):
        if op in view.loss_ops:
            yield from dropout_fault(op, op.outputs[0], 1)
    for op in view.of_type("GreaterEqual"):
        if is_dropout_mask(view, op):
            yield from dropout_fault(op, op.inputs[1], 0)


def dropout_fault(op, probability, off):
    """Yields the fault of a dropout whose keep_prob (off at 1) or rate (off at 0) is not off unfed."""
    value = walk.default_value(probability)
    if value is None or value == off or op.control_inputs:  # those of a branch of tf.cond
        return
    fed = any(source.type == "PlaceholderWithDefault" for source in walk.ancestors([probability]))
    name, number = ("keep_prob", value) if off else ("rate", value)
    text = f"dropout is on in evaluation too: its {name} is {number:.4g}" + (" unless fed" if fed else "")
    mend = f"make its default {off}" if fed else f"take a placeholder with the default {off} for it"
    yield op, f"{text}; {mend} (as gk.keep_prob_input() does) and feed {name} in training"


def is_dropout_mask(view, op):
    """Tells whether an op compares random numbers with a rate to set units to 0, whatever comes after."""
    random = walk.origin(op.inputs[0], (*walk.SAME_VALUES, "Mul", "Add", "AddV2")).op
    of_units = op.outputs[0].shape.rank != 0 and op.inputs[1].shape.rank == 0
    if not UNIFORM.match(random.type) or not of_units:
        return False
    for user in view.consumers.get(op, ()):
        if user.type == "SelectV2" and not sets_to_zero(user):
            return False
        after = view.consumers.get(user, ())
        if after and all(later.type in CHOICES for later in after):
            return False  # a flag chooses between this and what has no dropout
    return op in view.consumers


def sets_to_zero(select):
    value = tf.get_static_value(select.inputs[2])
    return value is not None and not value.any()


def unshared_towers(view):
    """Finds layers that are alike, numbered alike, and each for an input of its own."""
    originals = {}
    for layers in towers(view).values():
        if all(alike(view, first, second) for first, second in layers):
            for first, second in layers:
                for op, copy in zip(first, second, strict=True):
                    originals.setdefault(copy, op)
    for copies in view.by_line(originals):
        original = originals[copies[0]]
        yield (
            copies[0],
            f"{listed(copies)} is like {original.name} ({view.line(original)}), for another input and with "
            "weights of its own; if the two were meant to share them, build both with one name and "
            "reuse=tf.compat.v1.AUTO_REUSE",
        )


def towers(view):
    """Returns {two inputs: [(the first one's variables, the second one's)]}, for each name but for numbers.

    More inputs than three for one name are no towers, but the columns of a table.
    """
    groups, pairs = {}, {}
    for op in view.trained:
        mask = input_mask(view, op)
        if mask:
            name = re.sub(r"_\d+(?=/|$)", "", op.name)
            groups.setdefault(name, {}).setdefault(mask, []).append(op)
    for parts in groups.values():
        for (one, first), (other, second) in itertools.combinations(parts.items(), 2):
            if not one & other and len(parts) <= 3:
                pairs.setdefault(frozenset((one, other)), []).append((first, second))
    return pairs


def alike(view, first, second):
    """Tells whether two lists of variables have the same shapes and dtypes, in order."""
    kinds = [
        [(view.trained[op].shape.as_list(), view.trained[op].dtype.base_dtype) for op in ops]
        for ops in (first, second)
    ]
    return kinds[0] == kinds[1]


def input_mask(view, variable):
    """Returns which inputs of examples a variable meets where it is used."""
    mask = 0
    for use in view.uses(variable):
        mask |= view.examples.get(use, 0)
    return mask


def ops_in_loop(view):
    """Finds ops that one line made again and again of the same inputs, and that nothing takes."""
    idle = {}
    for op in view.ops:
        if op not in view.consumers and op not in view.run_ops:
            variable = next((t.op for t in op.inputs if t.op.type in walk.VARIABLES), None)
            idle.setdefault((op.type, variable), {}).setdefault(round_of(op), op)
    lines = {}
    for ops in idle.values():
        for made in view.by_line(ops.values()) if len(ops) >= REPEATED else ():
            if view.line(made[0]) != scopes.UNKNOWN_LINE and alone(view, made) >= REPEATED:
                lines.setdefault(view.line(made[0]), made)
    for made in lines.values():
        yield (
            made[0],
            f"this line made {len(made)} ops {made[0].type} of the same inputs, which nothing takes: a loop "
            "that adds ops to the graph gets ever slower; make the op once, before the loop, and run that",
        )


def alone(view, ops):
    """Returns how many of the ops, all made by one line, were made of the same inputs, each by itself."""
    walked, found = set(), Counter()
    for op in ops:
        before = roots(view, op, walked)
        if before is not None:
            found[before] += 1
    return max(found.values(), default=0)


def round_of(op):
    """Returns the name of an op, or what all ops of one call of tf.gradients have in common."""
    found = walk.GRADIENTS.search(op.name)
    return op.name[: found.end()] if found else op.name


def roots(view, op, walked):
    """Returns the ops that were there before the op's line made it, and all that is for it alone.

    None where it takes what the line made for the training, or for another op that was walked before: a
    line that builds a network, step by step.
    """
    waiting, own, found = [op], {op}, set()
    line = view.line(op)
    while waiting:
        for source in walk.sources(waiting.pop()):
            if source.type in walk.VARIABLES or view.line(source) != line:
                found.add(source)
            elif source in view.run_ops or source in walked:
                return None
            elif source not in own:
                own.add(source)
                waiting.append(source)
    walked |= own
    return frozenset(found)


def unused_placeholder(view):
    """Finds placeholders that must be fed, and that nothing takes."""
    for op in view.ops:
        if walk.is_fed(op) and op not in view.consumers and op not in view.run_ops:
            yield op, "nothing takes this placeholder's values; delete it, or give it to the layer it is for"


RULES = {
    rule.__name__: rule
    for rule in (
        softmax_twice,
        log_of_softmax,
        no_gradient,
        unreached_collections,
        broadcast_in_loss,
        l2_on_bias,
        dropout_always_on,
        unshared_towers,
        ops_in_loop,
        unused_placeholder,
    )
}
