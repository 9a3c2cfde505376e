"""Text to tokens: characters or words as integers, and back."""

import collections
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphkit import checks
from graphkit.data import array_checks

__all__ = ["Vocabulary"]

PADDING, UNKNOWN = 0, 1
NUM_RESERVED = 2
UNKNOWN_MARK = "\N{REPLACEMENT CHARACTER}"


class Vocabulary:
    """Maps characters or words to integers for `token_input`, and back.

    0 is padding, 1 stands for whatever is unknown, and the tokens follow from 2 on in their order. Make it
    from the training texts alone, by `Vocabulary.of_characters` or `Vocabulary.of_words`. A character is
    a Unicode code point. Texts are not changed: call `str.lower` or `unicodedata.normalize` before.

    Args:
      tokens: the characters or words, each once; `Vocabulary(old.tokens, old.unit)` equals `old`, so these
        two are what to save of a vocabulary.
      unit: "word" splits texts at white space, "character" splits them into characters.

    Attributes:
      tokens: tuple of str, without padding and unknown; `tokens[i]` is encoded as i + 2.
      unit: "word" or "character".

    `len(vocabulary)` counts padding and unknown: the number of rows of an embedding, and one more than the
    greatest integer that `encode` returns.

    Raises:
      TypeError: tokens are not strings, or one string is given for a vocabulary of words.
      ValueError: a token occurs twice or is not one character (or one word), or the unit is unknown.

    Example:
      >>> vocabulary = gk.Vocabulary.of_characters(["banana", "band"])
      >>> vocabulary.tokens, len(vocabulary)
      (('a', 'n', 'b', 'd'), 6)
      >>> vocabulary.encode(["band", "bus"])
      array([[4, 2, 3, 5],
             [4, 1, 1, 0]], dtype=int32)
    """

    def __init__(self, tokens: Sequence[str] | np.ndarray, unit: str = "word") -> None:
        check = checks.Checker("Vocabulary")
        self.unit = check.choice("unit", unit, ("word", "character"))
        if isinstance(tokens, str) and self.unit == "character":
            tokens = list(tokens)
        self.tokens = tuple(check_texts(check, "tokens", tokens))
        wrong = [token for token in self.tokens if self.split(token) != [token]]
        check.require(not wrong, f"tokens must be single {self.unit}s", tokens=wrong[:10])
        twice = [token for token, count in collections.Counter(self.tokens).items() if count > 1]
        check.require(not twice, "tokens must differ", repeated=twice[:10])
        self.numbers = {token: number for number, token in enumerate(self.tokens, NUM_RESERVED)}

    @classmethod
    def of_characters(cls, texts: Sequence[str] | np.ndarray, max_size: int | None = None) -> "Vocabulary":
        """Makes the vocabulary of the characters of texts, the most frequent first.

        Args:
          texts: strings (N,), as a list or an array.
          max_size: the largest `len(vocabulary)`, padding and unknown included; the rarest characters are
            left out and become unknown. None keeps all.

        Returns:
          A `Vocabulary` of characters; equally frequent ones are in the order of their code points.

        Raises:
          TypeError: texts are not strings.
          ValueError: max_size is below 3.

        Example:
          >>> gk.Vocabulary.of_characters(["no", "on", "ox"], max_size=4).tokens
          ('o', 'n')
        """
        check = checks.Checker("Vocabulary.of_characters")
        return cls(most_frequent(check, texts, list, max_size), "character")

    @classmethod
    def of_words(cls, texts: Sequence[str] | np.ndarray, max_size: int | None = None) -> "Vocabulary":
        """Makes the vocabulary of the words of texts, the most frequent first.

        Args:
          texts: strings (N,), as a list or an array; words are what white space separates.
          max_size: the largest `len(vocabulary)`, padding and unknown included; the rarest words are left
            out and become unknown. None keeps all.

        Returns:
          A `Vocabulary` of words; equally frequent ones are in the order of their code points.

        Raises:
          TypeError: texts are not strings.
          ValueError: max_size is below 3.

        Example:
          >>> gk.Vocabulary.of_words(["to be or not", "to be"]).tokens
          ('be', 'to', 'not', 'or')
        """
        check = checks.Checker("Vocabulary.of_words")
        return cls(most_frequent(check, texts, str.split, max_size), "word")

    def __len__(self) -> int:
        return NUM_RESERVED + len(self.tokens)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return (self.unit, self.tokens) == (other.unit, other.tokens)

    def __hash__(self) -> int:
        return hash((self.unit, self.tokens))

    def encode(
        self, texts: Sequence[str] | np.ndarray, length: int | None = None, *, truncate: bool = False
    ) -> np.ndarray:
        """Returns the texts as rows of integers, padded at their end.

        Args:
          texts: strings (N,), as a list or an array.
          length: length of a row; None takes the longest text's.
          truncate: whether a longer text is cut at its end; otherwise it is refused.

        Returns:
          int32 (N, length): 1 where a character or word is not in the vocabulary, 0 after the text.

        Raises:
          TypeError: texts are not strings.
          ValueError: length is below one, or a text is longer and truncate is not set.

        Example:
          >>> gk.Vocabulary(["be", "to"]).encode(["to be", "to see"], length=3)
          array([[3, 2, 0],
                 [3, 1, 0]], dtype=int32)
        """
        check = checks.Checker("Vocabulary.encode")
        rows = [self.split(text) for text in check_texts(check, "texts", texts)]
        longest = max(map(len, rows), default=0)
        length = longest if length is None else check.integer("length", length)
        if longest > length and not truncate:
            at = next(at for at, row in enumerate(rows) if len(row) > length)
            rule = f"texts must have at most length {self.unit}s, or truncate=True must cut them"
            received = {"length": length, self.unit + "s": len(rows[at]), "position": at}
            raise ValueError(check.message(rule, **received))
        encoded = np.full((len(rows), length), PADDING, np.int32)
        for numbers, row in zip(encoded, rows, strict=True):
            kept = row[:length]
            numbers[: len(kept)] = [self.numbers.get(token, UNKNOWN) for token in kept]
        return encoded

    def decode(self, tokens: np.ndarray) -> list[str]:
        """Returns the texts that rows of integers stand for; padding is left out.

        `decode(encode(texts))` gives the texts back if all of their characters (or words) are known; between
        words, each run of white space becomes one space.

        Args:
          tokens: integers (N, length), as `encode` returns them.

        Returns:
          A list of N strings, with the replacement character U+FFFD for each unknown token.

        Raises:
          TypeError: tokens are not integers.
          ValueError: tokens are outside the vocabulary, or do not have two axes.

        Example:
          >>> gk.Vocabulary(["be", "to"]).decode(np.array([[3, 2, 0], [2, 1, 3]]))
          ['to be', 'be � to']
        """
        tokens = self.check_tokens(checks.Checker("Vocabulary.decode"), tokens)
        names = ["", UNKNOWN_MARK, *self.tokens]
        between = " " if self.unit == "word" else ""
        return [between.join(names[number] for number in row if number != PADDING) for row in tokens.tolist()]

    def lengths(self, tokens: np.ndarray) -> np.ndarray:
        """Returns the number of tokens in each row before its padding.

        Args:
          tokens: integers (N, length), as `encode` returns them.

        Returns:
          int32 (N,).

        Raises:
          TypeError: tokens are not integers.
          ValueError: tokens are outside the vocabulary, do not have two axes, or have padding before their
            end: the number of tokens would then not be the place where they end.

        Example:
          >>> vocabulary = gk.Vocabulary("abc", unit="character")
          >>> vocabulary.lengths(vocabulary.encode(["cab", "a", ""]))
          array([3, 1, 0], dtype=int32)
        """
        check = checks.Checker("Vocabulary.lengths")
        held = self.check_tokens(check, tokens) != PADDING
        late = np.argwhere(held[:, 1:] & ~held[:, :-1])
        rule = "padding must come after the tokens of a row"
        check.require(len(late) == 0, rule, rows=late[:10, 0].tolist())
        return held.sum(axis=1, dtype=np.int32)

    def split(self, text: str) -> list[str]:
        return text.split() if self.unit == "word" else list(text)

    def check_tokens(self, check: checks.Checker, tokens: np.ndarray) -> np.ndarray:
        tokens = array_checks.check_integers(check, "tokens", tokens, rank=2)
        array_checks.check_range(check, "tokens", tokens, len(self))
        return tokens


def most_frequent(
    check: checks.Checker,
    texts: Sequence[str] | np.ndarray,
    split: Callable[[str], Iterable[str]],
    max_size: int | None,
) -> list[str]:
    """Returns the tokens of the texts, most frequent first and ties by code point."""
    if max_size is not None:
        max_size = check.integer("max_size", max_size, minimum=NUM_RESERVED + 1)
    checked = check_texts(check, "texts", texts)
    counts = collections.Counter(itertools.chain.from_iterable(map(split, checked)))
    ordered = sorted(counts, key=lambda token: (-counts[token], token))
    return ordered if max_size is None else ordered[: max_size - NUM_RESERVED]


def check_texts(check: checks.Checker, name: str, texts: Any) -> list[str]:
    """Returns a list of str, from a list, a tuple or an array of one axis."""
    rule = f"{name} must be a list or an array (N,) of strings"
    if isinstance(texts, np.ndarray):
        check.require(texts.ndim == 1, rule, shape=texts.shape)
        texts = texts.tolist()
    check.require_type(isinstance(texts, (list, tuple)), rule, **{name: type(texts)})
    for text in texts:
        check.require_type(isinstance(text, str), rule, item=text)
    # As plain str: NumPy's own string scalars would show as np.str_('a') in messages and examples.
    return [str(text) for text in texts]
