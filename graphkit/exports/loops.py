"""Loops without what only training needs: `tf.gradients` makes a loop collect values of every step."""

from typing import Any

import tensorflow as tf

LOOPS = ("While", "StatelessWhile")


def drop_unused(definition: Any) -> None:
    """Drops variables of the loops in a GraphDef that no result depends on.

    Without this, a loop whose gradient was taken holds lists of the values of all its steps, which neither
    TFLite nor ONNX can express for a batch of any size.
    """
    functions = {function.signature.name: function for function in definition.library.function}
    for node in definition.node:
        if node.op in LOOPS:
            cond = functions[node.attr["cond"].func.name]
            body = functions[node.attr["body"].func.name]
            keep = used(definition, node, cond, body)
            if len(keep) < len(node.attr["T"].list.type):
                shrink(definition, node, keep, cond, body)


def keep_functional(definition: Any) -> None:
    """Lets the branches and loops of a GraphDef stay calls of functions, in which others recognize them.

    With this attribute, TensorFlow's own optimizer makes ops of TensorFlow 1's loops of them.
    """
    bodies = (node for function in definition.library.function for node in function.node_def)
    for node in (*definition.node, *bodies):
        node.attr.pop("_lower_using_switch_merge", None)


def separate_limits(definition: Any) -> None:
    """Gives the largest number of steps of each loop a value that nothing else takes.

    tf2onnx 1.17 makes an int64 of it in place, also where it is the value of an int32 variable of the loop.
    It is the larger of itself and 0, since an `Identity` would be dropped before.
    """
    for node in [node for node in definition.node if node.op in LOOPS]:
        dtype = node.attr["T"].list.type[1]
        zero = definition.node.add(name=f"{node.name}/zero", op="Const")
        zero.attr["dtype"].type = dtype
        zero.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(0, dtype))
        limit = definition.node.add(name=f"{node.name}/limit", op="Maximum", input=[node.input[1], zero.name])
        limit.attr["T"].type = dtype
        node.input[1] = limit.name


def used(definition: Any, loop: Any, cond: Any, body: Any) -> list[int]:
    """Returns the places of the loop's variables that its condition or another node needs."""
    count = len(loop.attr["T"].list.type)
    asked = {text for node in definition.node for text in node.input}
    # The first two count the steps, and limit them; tf2onnx finds them by their places.
    keep = {n for n in range(count) if n < 2 or f"{loop.name}:{n}" in asked}
    keep |= arguments_needed(cond, cond.ret.values())
    while True:
        results = [body.ret[body.signature.output_arg[n].name] for n in keep]
        needed = keep | arguments_needed(body, results)
        if needed == keep:
            return sorted(keep)
        keep = needed


def arguments_needed(function: Any, results: Any) -> set[int]:
    """Returns the places of a function's arguments that some of its values depend on."""
    nodes = {node.name: node for node in function.node_def}
    reached = walk_back(nodes, results)
    names = [argument.name for argument in function.signature.input_arg]
    return {place for place, name in enumerate(names) if name in reached}


def walk_back(nodes: dict[str, Any], starts: Any) -> set[str]:
    """Returns the names of the nodes, and of what they take, that some values depend on."""
    waiting, reached = [text.lstrip("^").split(":")[0] for text in starts], set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += (
                text.lstrip("^").split(":")[0] for text in (nodes[name].input if name in nodes else ())
            )
    return reached


def shrink(definition: Any, loop: Any, keep: list[int], cond: Any, body: Any) -> None:
    """Leaves a loop the variables at these places alone."""
    renamed = {
        f"{loop.name}:{old}" if old else loop.name: f"{loop.name}:{new}" for new, old in enumerate(keep)
    }
    for node in definition.node:
        node.input[:] = [renamed.get(text.removesuffix(":0"), text) for text in node.input]
    controls = [text for text in loop.input if text[0] == "^"]
    loop.input[:] = [*(loop.input[n] for n in keep), *controls]
    loop.attr["T"].list.type[:] = [loop.attr["T"].list.type[n] for n in keep]
    if loop.attr["output_shapes"].list.shape:
        shapes = [loop.attr["output_shapes"].list.shape[n] for n in keep]
        del loop.attr["output_shapes"].list.shape[:]
        loop.attr["output_shapes"].list.shape.extend(shapes)
    for name in ("_num_original_outputs", "_read_only_resource_inputs"):
        loop.attr.pop(name, None)  # they count the variables that were there
    for attribute, function in (("cond", cond), ("body", body)):
        new = smaller(function, keep, f"{function.signature.name}_small")
        definition.library.function.append(new)
        loop.attr[attribute].func.name = new.signature.name


def smaller(function: Any, keep: list[int], name: str) -> Any:
    """Returns a copy of a loop's function with the arguments, and of a body the results, at these places."""
    new = type(function)()
    new.CopyFrom(function)
    new.signature.name = name
    is_body = len(function.signature.output_arg) == len(function.signature.input_arg)
    del new.signature.input_arg[:]
    new.signature.input_arg.extend(function.signature.input_arg[n] for n in keep)
    if is_body:
        del new.signature.output_arg[:]
        new.signature.output_arg.extend(function.signature.output_arg[n] for n in keep)
    results = {argument.name: function.ret[argument.name] for argument in new.signature.output_arg}
    new.ret.clear()
    new.ret.update(results)
    new.control_ret.clear()
    del new.signature.control_output[:]
    new.arg_attr.clear()
    new.resource_arg_unique_id.clear()
    reached = walk_back({node.name: node for node in function.node_def}, results.values())
    del new.node_def[:]
    new.node_def.extend(node for node in function.node_def if node.name in reached)
    return new
