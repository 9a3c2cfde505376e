"""Text to tokens: characters or words as integers, and back."""

import collections
import itertools

import numpy as np

from graphkit import checks

__all__ = ["Vocabulary"]

PADDING, UNKNOWN = 0, 1
NUM_RESERVED = 2
UNKNOWN_MARK = "\N{REPLACEMENT CHARACTER}"


class Vocabulary:
    """Maps characters or words to integers for `token_input`, and back.

    0 is padding, 1 stands for whatever is unknown, and the tokens follow from 2 on in their order. Make it
    from the training texts alone, by `Vocabulary.of_characters` or `Vocabulary.of_words`. A character is
    a Unicode code point; texts are taken as they are (`str.lower`, `unicodedata.normalize` come before).

    Args:
      tokens: the characters or words, each once; `Vocabulary(old.tokens, old.unit)` equals `old`, which is
        how a vocabulary is kept in a file.
      unit: "word" for texts that are split at white space, "character" for texts that are taken character
        by character.

    Attributes:
      tokens: tuple of str, without padding and unknown; `tokens[i]` is encoded as i + 2.
      unit: "word" or "character".

    `len(vocabulary)` counts padding and unknown: the number of rows of an embedding, and one more than the
    greatest integer that `encode` returns.

    Raises:
      TypeError: tokens that are no strings, or one string for a vocabulary of words.
      ValueError: a token that occurs twice or is not one character (or one word), or an unknown unit.

    Example:
      >>> vocabulary = gk.Vocabulary.of_characters(["banana", "band"])
      >>> vocabulary.tokens, len(vocabulary)
      (('a', 'n', 'b', 'd'), 6)
      >>> vocabulary.encode(["band", "bus"])
      array([[4, 2, 3, 5],
             [4, 1, 1, 0]], dtype=int32)
    """

    def __init__(self, tokens, unit="word"):
        function = "Vocabulary"
        self.unit = checks.choice(function, "unit", unit, ("word", "character"))
        if isinstance(tokens, str) and self.unit == "character":
            tokens = list(tokens)
        self.tokens = tuple(check_texts(function, "tokens", tokens))
        wrong = [token for token in self.tokens if self.split(token) != [token]]
        rule = f"tokens must be single {self.unit}s"
        checks.require(not wrong, function, rule, tokens=wrong[:10])
        self.numbers = {token: number for number, token in enumerate(self.tokens, NUM_RESERVED)}
        if len(self.numbers) < len(self.tokens):
            counts = collections.Counter(self.tokens)
            twice = [token for token, count in counts.items() if count > 1]
            raise ValueError(checks.message(function, "tokens must differ", repeated=twice[:10]))

    @classmethod
    def of_characters(cls, texts, max_size=None):
        """Makes the vocabulary of the characters of texts, the most frequent first.

        Args:
          texts: strings (N,), as a list or an array.
          max_size: the most that `len(vocabulary)` may be, padding and unknown included; the rarest
            characters are left out and become unknown. None keeps all.

        Returns:
          A `Vocabulary` of characters; equally frequent ones are in the order of their code points.

        Raises:
          TypeError: texts that are no strings.
          ValueError: a max_size below 3.

        Example:
          >>> gk.Vocabulary.of_characters(["no", "on", "ox"], max_size=4).tokens
          ('o', 'n')
        """
        function = "Vocabulary.of_characters"
        return cls(most_frequent(function, texts, list, max_size), "character")

    @classmethod
    def of_words(cls, texts, max_size=None):
        """Makes the vocabulary of the words of texts, the most frequent first.

        Args:
          texts: strings (N,), as a list or an array; words are what white space separates.
          max_size: the most that `len(vocabulary)` may be, padding and unknown included; the rarest words
            are left out and become unknown. None keeps all.

        Returns:
          A `Vocabulary` of words; equally frequent ones are in the order of their code points.

        Raises:
          TypeError: texts that are no strings.
          ValueError: a max_size below 3.

        Example:
          >>> gk.Vocabulary.of_words(["to be or not", "to be"]).tokens
          ('be', 'to', 'not', 'or')
        """
        return cls(most_frequent("Vocabulary.of_words", texts, str.split, max_size), "word")

    def __len__(self):
        return NUM_RESERVED + len(self.tokens)

    def __eq__(self, other):
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return (self.unit, self.tokens) == (other.unit, other.tokens)

    def __hash__(self):
        return hash((self.unit, self.tokens))

    def encode(self, texts, length=None, truncate=False):
        """Returns the texts as rows of integers, padded at their end.

        Args:
          texts: strings (N,), as a list or an array.
          length: integers in a row; None takes the longest text's.
          truncate: whether a longer text is cut at its end; otherwise it is refused.

        Returns:
          int32 (N, length): 1 where a character or word is not in the vocabulary, 0 after the text.

        Raises:
          TypeError: texts that are no strings.
          ValueError: a length below one, or a longer text where truncate is not set.

        Example:
          >>> gk.Vocabulary(["be", "to"]).encode(["to be", "to see"], length=3)
          array([[3, 2, 0],
                 [3, 1, 0]], dtype=int32)
        """
        function = "Vocabulary.encode"
        rows = [self.split(text) for text in check_texts(function, "texts", texts)]
        longest = max(map(len, rows), default=0)
        length = longest if length is None else checks.integer(function, "length", length)
        if longest > length and not truncate:
            at = next(at for at, row in enumerate(rows) if len(row) > length)
            rule = f"texts must have at most length {self.unit}s, or truncate=True must cut them"
            received = {"length": length, self.unit + "s": len(rows[at]), "position": at}
            raise ValueError(checks.message(function, rule, **received))
        encoded = np.full((len(rows), length), PADDING, np.int32)
        for numbers, row in zip(encoded, rows, strict=True):
            kept = row[:length]
            numbers[: len(kept)] = [self.numbers.get(token, UNKNOWN) for token in kept]
        return encoded

    def decode(self, tokens):
        """Returns the texts that rows of integers stand for; padding is left out.

        `decode(encode(texts))` gives the texts back if all of their characters (or words) are known; of
        words each run of white space becomes one space.

        Args:
          tokens: integers (N, length), as `encode` returns them.

        Returns:
          A list of N strings, with the replacement character U+FFFD for each unknown token.

        Raises:
          TypeError: tokens that are no integers.
          ValueError: tokens outside the vocabulary, or not of two axes.

        Example:
          >>> gk.Vocabulary(["be", "to"]).decode(np.array([[3, 2, 0], [2, 1, 3]]))
          ['to be', 'be � to']
        """
        tokens = self.check_tokens("Vocabulary.decode", tokens)
        names = ["", UNKNOWN_MARK, *self.tokens]
        between = " " if self.unit == "word" else ""
        return [between.join(names[number] for number in row if number != PADDING) for row in tokens.tolist()]

    def lengths(self, tokens):
        """Returns how many tokens each row holds before its padding.

        Args:
          tokens: integers (N, length), as `encode` returns them.

        Returns:
          int32 (N,).

        Raises:
          TypeError: tokens that are no integers.
          ValueError: tokens outside the vocabulary, not of two axes, or padded before their end: their
            number would not be where they end.

        Example:
          >>> vocabulary = gk.Vocabulary("abc", unit="character")
          >>> vocabulary.lengths(vocabulary.encode(["cab", "a", ""]))
          array([3, 1, 0], dtype=int32)
        """
        function = "Vocabulary.lengths"
        held = self.check_tokens(function, tokens) != PADDING
        late = np.argwhere(held[:, 1:] & ~held[:, :-1])
        rule = "padding must come after the tokens of a row"
        checks.require(len(late) == 0, function, rule, rows=late[:10, 0].tolist())
        return held.sum(axis=1, dtype=np.int32)

    def split(self, text):
        return text.split() if self.unit == "word" else list(text)

    def check_tokens(self, function, tokens):
        tokens = checks.array(function, "tokens", tokens, rank=2)
        if tokens.dtype.kind not in "ui":
            raise TypeError(checks.message(function, "tokens must be integers", dtype=str(tokens.dtype)))
        if tokens.size:
            low, high = int(tokens.min()), int(tokens.max())
            rule = f"tokens must lie in 0..{len(self) - 1}"
            checks.require(low >= 0 and high < len(self), function, rule, minimum=low, maximum=high)
        return tokens


def most_frequent(function, texts, split, max_size):
    """Returns the tokens of the texts, most frequent first and ties by code point."""
    if max_size is not None:
        max_size = checks.integer(function, "max_size", max_size, minimum=NUM_RESERVED + 1)
    texts = check_texts(function, "texts", texts)
    counts = collections.Counter(itertools.chain.from_iterable(map(split, texts)))
    ordered = sorted(counts, key=lambda token: (-counts[token], token))
    return ordered if max_size is None else ordered[: max_size - NUM_RESERVED]


def check_texts(function, name, texts):
    """Returns a list of str, from a list, a tuple or an array of one axis."""
    rule = f"{name} must be a list or an array (N,) of strings"
    if isinstance(texts, np.ndarray):
        checks.require(texts.ndim == 1, function, rule, shape=texts.shape)
        texts = texts.tolist()
    if not isinstance(texts, (list, tuple)):
        raise TypeError(checks.message(function, rule, **{name: type(texts)}))
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        raise TypeError(checks.message(function, rule, item=wrong[0]))
    return [str(text) for text in texts]
