"""What is to be run next: mini-batches one after the other, of which the next one is known."""

from collections.abc import Iterable
from typing import Any


class Ahead:
    """Selections of mini-batches in their order, of which one is held that was not taken yet.

    So a run can end where the next mini-batch has another size, and it is known whether it is the last one.
    An error of the iterable is raised when the mini-batch it stands for is to be taken, after those before.

    Args:
      selections: for each mini-batch an index array, a slice, or a `Batch` of a stream.
    """

    def __init__(self, selections: Iterable[Any]) -> None:
        self.selections = iter(selections)
        self.next: Any = None  # the next selection; None at the end, or where an error comes next
        self.error: BaseException | None = None
        self.ended = False
        self.hold()

    def hold(self) -> None:
        try:
            self.next = next(self.selections)
        except StopIteration:
            self.next, self.ended = None, True
        except Exception as error:
            self.next, self.error = None, error

    def peek(self) -> Any:
        """Returns the next selection; raises the error that is next."""
        if self.error is not None:
            raise self.error
        return self.next

    def take(self, most: int) -> list[Any]:
        """Returns the next selections, at most `most`, all of one form."""
        form = form_of(self.peek())
        taken: list[Any] = []
        while self.next is not None and len(taken) < most and form_of(self.next) == form:
            taken.append(self.next)
            self.hold()
        return taken

    def close(self) -> None:
        """Ends the iterable, if it is a generator."""
        if hasattr(self.selections, "close"):
            self.selections.close()


def length_of(selection: Any) -> int:
    """Returns the number of examples of a selection."""
    return selection.stop - selection.start if isinstance(selection, slice) else len(selection)


def form_of(selection: Any) -> Any:
    """Returns what mini-batches that are run together have in common: their size, of streams all shapes."""
    return getattr(selection, "form", None) or length_of(selection)
