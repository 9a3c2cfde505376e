"""The notes of a summary: sentences on what its figures leave open."""

from graphkit.inspection import functions, rules


def unknown_notes(rows):
    """Returns what cannot be counted since a size is open."""
    notes = []
    for field, figure in (("flops", "FLOPs"), ("activation_bytes", "bytes kept")):
        names = [row.layer for row in rows if getattr(row, field) is None]
        if names:
            notes.append(
                f"Sizes are open, so the {figure} are not known and not in the total: {join(names)}."
            )
    return notes


def loop_notes(ops, library):
    """Returns how often the insides of loops are counted, and which ops are not counted at all."""
    once = [op.get_attr("frame_name").decode() for op in ops if op.type in ("Enter", "RefEnter")]
    notes = []
    for op in ops:
        if op.type in functions.LOOPS and library:
            count = functions.rounds(op, library)
            if count is None:
                once.append(op.name)
            else:
                notes.append(f"The loop {op.name} is counted for {count:,} rounds, the most that it makes.")
    if once:
        notes.append(f"One round of each of these loops is counted: {join(sorted(set(once)))}.")
    uncounted = [f"{op.name} ({op.type})" for op in ops if rules.UNCOUNTED.match(op.type)]
    return [*notes, *([f"The operations of these are not counted: {join(uncounted)}."] if uncounted else [])]


def join(names):
    """Returns the first names of a list as text."""
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
