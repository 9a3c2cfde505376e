"""The printed table of a summary."""

import textwrap

MAXIMUM_WIDTH = 100


def table(found):
    """Returns a summary as text: a line for each layer, the totals, what they mean and leave out."""
    head = ("layer", "ops", "output shape", "parameters", "FLOPs", "bytes kept")
    lines = [
        (
            row.layer,
            ", ".join(row.ops),
            "?" if row.output_shape is None else str(row.output_shape),
            *map(number_text, (row.parameters, row.flops, row.activation_bytes)),
        )
        for row in found.rows
    ]
    last = ("total", "", "", *map(number_text, (found.parameters, found.flops, found.activation_bytes)))
    widths = [max(map(len, column)) for column in zip(head, *lines, last, strict=True)]
    room = MAXIMUM_WIDTH - sum(widths[2:]) - 2 * 5
    widths[0] = min(widths[0], max(room - min(widths[1], 16), 12))
    widths[1] = min(widths[1], max(room - widths[0], 12))
    width = sum(widths) + 2 * 5
    body = [line_text(head, widths), "-" * width, *(line_text(line, widths) for line in lines), "-" * width]
    return "\n".join([*body, line_text(last, widths), *footer(found, width)])


def number_text(figure):
    return "?" if figure is None else f"{figure:,}"


def line_text(line, widths):
    """Returns a line of cells, words to the left and numbers to the right; long words are cut."""
    layer, ops, shape = line[:3]
    words = [f"{cut_left(layer, widths[0]):<{widths[0]}}", f"{cut(ops, widths[1]):<{widths[1]}}"]
    words.append(f"{shape:<{widths[2]}}")
    numbers = [f"{text:>{width}}" for text, width in zip(line[3:], widths[3:], strict=True)]
    return "  ".join([*words, *numbers])


def cut(text, width):
    return text if len(text) <= width else text[: width - 1] + "…"


def cut_left(text, width):
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def footer(found, width):
    """Returns the lines under a table."""
    text = (
        "FLOPs, and the bytes that the gradients need kept, are for one example. "
        f"The variables take {found.weight_bytes:,} bytes."
    )
    lines = [text, *found.notes]
    if found.fixed_flops * 100 >= found.flops > 0:
        lines.append(f"Each run makes {found.fixed_flops:,} FLOPs besides, whatever the batch.")
    return [part for line in lines for part in textwrap.wrap(line, width)]
