"""What TensorBoard shows, as summaries: plain protocol messages, made without an op in any graph."""

import io
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.graph import walk

Summary = tf.compat.v1.Summary
BUCKETS = 50  # of a histogram
MOST_NUMBERS = 1_000_000  # of a histogram; of a larger variable as many or fewer are counted, evenly spaced
LARGEST_CONSTANT = 1024  # bytes of a constant in a graph that is shown; larger ones lose their values


def event(values: Sequence[Any], step: int) -> Any:
    """Returns an event with some summary values of a step."""
    return tf.compat.v1.Event(wall_time=time.time(), step=step, summary=Summary(value=values))


def start(step: int) -> Any:
    """Returns the event that makes TensorBoard forget what was written of this step and all later ones."""
    session_log = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    return tf.compat.v1.Event(wall_time=time.time(), step=step, session_log=session_log)


def scalars(prefix: str, numbers: Mapping[str, Any]) -> list[Any]:
    """Returns a value for each of the entries that is one number."""
    found = {name: number for name, number in numbers.items() if isinstance(number, (int, float, np.number))}
    return [Summary.Value(tag=prefix + name, simple_value=number) for name, number in found.items()]


def histogram(tag: str, array: np.ndarray) -> Any:
    """Returns the histogram of an array's finite numbers."""
    numbers = array.ravel()[:: 1 + array.size // MOST_NUMBERS].astype(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    counts, edges = np.histogram(numbers, BUCKETS)
    proto = tf.compat.v1.HistogramProto(
        min=numbers.min() if numbers.size else edges[0],
        max=numbers.max() if numbers.size else edges[-1],
        num=len(numbers),
        sum=numbers.sum(),
        sum_squares=np.square(numbers).sum(),
        bucket_limit=edges[1:],
        bucket=counts,
    )
    return Summary.Value(tag=tag, histo=proto)


def figure(tag: str, picture: Any) -> Any:
    """Returns the image of a matplotlib figure."""
    stream = io.BytesIO()
    picture.savefig(stream, format="png", dpi=150)
    width, height = (int(inches * 150) for inches in picture.get_size_inches())
    image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=stream.getvalue())
    return Summary.Value(tag=tag, image=image)


def images(tag: str, pixels: np.ndarray) -> list[Any]:
    """Returns the images of an array (count, height, width, channels).

    uint8 is shown as it is, other dtypes from the least to the greatest value of all.
    """
    if pixels.dtype != np.uint8:
        scaled = pixels.astype(np.float64) - pixels.min()
        pixels = np.round(scaled * (255 / max(scaled.max(), np.finfo(float).tiny))).astype(np.uint8)
    height, width, channels = pixels.shape[1:]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        encoded = session.run([tf.io.encode_png(picture) for picture in pixels])
    return [
        Summary.Value(
            tag=f"{tag}/{number}",
            image=Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png),
        )
        for number, png in enumerate(encoded)
    ]


def table(tag: str, rows: Mapping[str, Any]) -> Any:
    """Returns a text with a table of names and values."""
    lines = [f"| {cell(name)} | {cell(value)} |" for name, value in rows.items()]
    return text(tag, "\n".join(["| name | value |", "|---|---|", *lines]))


def cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def text(tag: str, content: str) -> Any:
    """Returns a text, which TensorBoard reads as Markdown."""
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="text")
    )
    return Summary.Value(tag=tag, metadata=metadata, tensor=tf.make_tensor_proto([content.encode()]))


def forward_pass(fetches: Sequence[tf.Tensor]) -> Any:
    """Returns the event of the graph that computes some tensors, without the values of large constants.

    A trainer's graph also has gradients, updates, loops and savers, among which the model would be lost.
    """
    needed = {op.name for op in walk.ancestors(fetches)}
    graph = fetches[0].graph.as_graph_def(add_shapes=True)
    nodes = [node for node in graph.node if node.name in needed]
    for node in nodes:
        node.input[:] = [name for name in node.input if name.removeprefix("^").split(":")[0] in needed]
        if node.op == "Const" and node.attr["value"].ByteSize() > LARGEST_CONSTANT:
            node.attr["value"].tensor.tensor_content = b""
    shown = tf.compat.v1.GraphDef(node=nodes, versions=graph.versions)
    if any(attribute.HasField("func") for node in nodes for attribute in node.attr.values()):
        shown.library.CopyFrom(graph.library)
    return tf.compat.v1.Event(wall_time=time.time(), graph_def=shown.SerializeToString())
