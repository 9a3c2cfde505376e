"""The functions that ops call, such as the body of a loop: their ops, and how often they run."""

import tensorflow as tf

LOOPS = ("While", "StatelessWhile")


def rounds(op, library):
    """Returns how many rounds a `tf.while_loop` makes at most, None if it does not say.

    Its first variable is a counter of its own, its second the limit, -1 for none.
    """
    arguments = library[op.get_attr("body").name].signature.input_arg
    if len(arguments) < 2 or "loop_counter" not in arguments[0].name:
        return None
    value = tf.get_static_value(op.inputs[1])
    if value is None:  # TensorFlow knows the sizes of arrays also where they are computed from others'
        with op.graph.as_default():
            value = tf.fill([op.inputs[1]], 0).shape[0]
    return None if value is None or value < 0 else int(value)


def copy_of_body(op, function):
    """Returns copies of a function's ops, beside the op that calls it and fed with what it is fed with."""
    given = list(op.inputs)[len(op.inputs) - len(function.signature.input_arg) :]
    values = {arg.name: tensor for arg, tensor in zip(function.signature.input_arg, given, strict=True)}
    waiting, made = list(function.node_def), []
    with op.graph.as_default():
        while waiting:
            ready = [node for node in waiting if all(name in values for name in data_inputs(node))]
            waiting = [node for node in waiting if node not in ready]
            for node in ready:
                inner = copy_of_node(node, values)
                made.append(inner)
                values.update(zip(output_names(node, inner.op_def), inner.outputs, strict=True))
    return made


def data_inputs(node):
    return [name for name in node.input if not name.startswith("^")]


def copy_of_node(node, values):
    """Returns a copy of one op of a function in the current graph."""
    names = data_inputs(node)
    alone = tf.compat.v1.GraphDef()
    alone.node.add().CopyFrom(node)
    alone.node[0].attr.pop("_class", None)
    alone.node[0].input[:] = [f"input{place}:0" for place in range(len(names))]
    given = {f"input{place}:0": values[name] for place, name in enumerate(names)}
    return tf.import_graph_def(alone, given, return_elements=[node.name], name="inside")[0]


def output_names(node, definition):
    """Returns how functions name the outputs of an op: node:argument:place."""
    for argument in definition.output_arg:
        if argument.number_attr:
            count = node.attr[argument.number_attr].i
        elif argument.type_list_attr:
            count = len(node.attr[argument.type_list_attr].list.type)
        else:
            count = 1
        yield from (f"{node.name}:{argument.name}:{place}" for place in range(count))
