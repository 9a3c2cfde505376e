"""`tf.contrib.learn.preprocessing`: a vocabulary of words, and documents as rows of their numbers."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.tf1 import overlay

__all__ = ["CategoricalVocabulary", "VocabularyProcessor", "tokenizer"]

WORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]+(?=[A-Z])|[\'\w\-]+", re.UNICODE)
UNKNOWN = "<UNK>"


def tokenizer(iterator: Iterable[str]) -> Iterator[list[str]]:
    """Yields the words of each text."""
    for text in iterator:
        yield WORD.findall(text)


class CategoricalVocabulary:
    """Words and their numbers; 0 is the word that is unknown."""

    def __init__(self, unknown_token: str = UNKNOWN) -> None:
        self._unknown_token, self._frozen = unknown_token, False
        self._mapping, self._reverse_mapping = {unknown_token: 0}, [unknown_token]
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._mapping)

    def freeze(self, freeze: bool = True) -> None:
        self._frozen = freeze

    def get(self, category: str) -> int:
        """Returns a word's number; a new word gets the next one unless the vocabulary is frozen."""
        if category not in self._mapping:
            if self._frozen:
                return 0
            self._mapping[category] = len(self._mapping)
            self._reverse_mapping.append(category)
        return self._mapping[category]

    def add(self, category: str, count: int = 1) -> None:
        if self.get(category) > 0:
            self._counts[category] += count

    def trim(self, min_frequency: int) -> None:
        """Keeps the words that occur more than `min_frequency` times, the most frequent first."""
        counted = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        kept = [(word, count) for word, count in counted if count > min_frequency]
        self._counts = Counter(dict(kept))
        self._reverse_mapping = [self._unknown_token, *(word for word, _ in kept)]
        self._mapping = {word: number for number, word in enumerate(self._reverse_mapping)}

    def reverse(self, class_id: int) -> str:
        return self._reverse_mapping[class_id]


class VocabularyProcessor:
    """Maps texts to rows of word numbers, cut off or filled with 0 to one length."""

    def __init__(
        self,
        max_document_length: int,
        min_frequency: int = 0,
        vocabulary: CategoricalVocabulary | None = None,
        tokenizer_fn: Callable[[Iterable[str]], Iterable[list[str]]] | None = None,
    ) -> None:
        self.max_document_length, self.min_frequency = max_document_length, min_frequency
        self.vocabulary_ = vocabulary or CategoricalVocabulary()
        self._tokenizer = tokenizer_fn or tokenizer

    def fit(self, raw_documents: Iterable[str], unused_y: Any = None) -> "VocabularyProcessor":
        for tokens in self._tokenizer(raw_documents):
            for token in tokens:
                self.vocabulary_.add(token)
        if self.min_frequency > 0:
            self.vocabulary_.trim(self.min_frequency)
        self.vocabulary_.freeze()
        return self

    def fit_transform(self, raw_documents: Iterable[str], unused_y: Any = None) -> Iterator[np.ndarray]:
        raw_documents = list(raw_documents)
        return self.fit(raw_documents).transform(raw_documents)

    def transform(self, raw_documents: Iterable[str]) -> Iterator[np.ndarray]:
        """Yields an int64 row for each text."""
        for tokens in self._tokenizer(raw_documents):
            row = np.zeros(self.max_document_length, np.int64)
            for place, token in enumerate(itertools.islice(tokens, self.max_document_length)):
                row[place] = self.vocabulary_.get(token)
            yield row

    def reverse(self, documents: Iterable[Iterable[int]]) -> Iterator[str]:
        for numbers in documents:
            yield " ".join(self.vocabulary_.reverse(int(number)) for number in numbers)

    def save(self, filename: str) -> None:
        """Writes JSON; TensorFlow 1 wrote a pickle, which can run any code when it is read."""
        words = self.vocabulary_._reverse_mapping
        state = {"max_document_length": self.max_document_length, "min_frequency": self.min_frequency}
        Path(filename).write_text(json.dumps({**state, "words": words}), encoding="utf-8")

    @classmethod
    def restore(cls, filename: str) -> "VocabularyProcessor":
        try:
            state = json.loads(Path(filename).read_bytes())
        except ValueError:
            raise ValueError(
                "VocabularyProcessor.restore: the file must be one that save() of graphkit.tf1 wrote; those "
                f"of TensorFlow 1 are pickles; received filename={filename!r}"
            ) from None
        vocabulary = CategoricalVocabulary(state["words"][0])
        for word in state["words"]:
            vocabulary.get(word)
        vocabulary.freeze()
        return cls(state["max_document_length"], state["min_frequency"], vocabulary)


__getattr__, __dir__ = overlay.over(__name__)
