"""Vocabularies: round trips, numbers by hand, and the words of five languages."""

import collections
import json

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import graphkit as gk

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=100)
TEXTS = st.lists(st.text(max_size=12), max_size=8)
WORDS = st.lists(st.lists(st.sampled_from(["a", "an", "ox", "über", "日本"]), max_size=5), max_size=8)


def test_characters_by_hand():
    vocabulary = gk.Vocabulary.of_characters(["otto", "tot", "bä"])
    assert vocabulary.tokens == ("t", "o", "b", "ä")  # 4 and 3 times; then once each, by code point
    assert vocabulary.unit == "character"
    assert len(vocabulary) == 6
    encoded = vocabulary.encode(["tot", "", "Bäto"], length=5)
    assert encoded.dtype == np.int32
    assert encoded.tolist() == [[2, 3, 2, 0, 0], [0, 0, 0, 0, 0], [1, 5, 2, 3, 0]]
    assert vocabulary.decode(encoded) == ["tot", "", "\ufffdäto"]
    assert vocabulary.lengths(encoded).tolist() == [3, 0, 4]
    assert vocabulary.lengths(encoded).dtype == np.int32


def test_words_by_hand():
    vocabulary = gk.Vocabulary.of_words(["to be or\tnot", " to  be\n"])
    assert vocabulary.tokens == ("be", "to", "not", "or")
    assert vocabulary.unit == "word"
    encoded = vocabulary.encode([" not   to bee ", "to"])
    assert encoded.tolist() == [[4, 3, 1], [3, 0, 0]]
    assert vocabulary.decode(encoded) == ["not to \ufffd", "to"]
    assert vocabulary.lengths(encoded).tolist() == [3, 1]


@EXAMPLES
@given(texts=TEXTS, longer=st.integers(1, 5))
def test_characters_come_back(texts, longer):
    vocabulary = gk.Vocabulary.of_characters(texts)
    assert len(vocabulary) == 2 + len(set("".join(texts)))
    longest = max(map(len, texts), default=0)
    for length in (None, longest + longer):
        encoded = vocabulary.encode(texts, length)
        assert encoded.shape == (len(texts), longest if length is None else length)
        assert vocabulary.decode(encoded) == texts
        assert vocabulary.lengths(encoded).tolist() == [len(text) for text in texts]
        assert not np.any(encoded == 1)


@EXAMPLES
@given(rows=WORDS, space=st.sampled_from([" ", "  ", "\n", "\u3000\t"]))
def test_words_come_back(rows, space):
    texts = [space.join(row) for row in rows]
    vocabulary = gk.Vocabulary.of_words(texts)
    encoded = vocabulary.encode(texts)
    assert vocabulary.decode(encoded) == [" ".join(row) for row in rows]
    assert vocabulary.lengths(encoded).tolist() == [len(row) for row in rows]


@EXAMPLES
@given(texts=TEXTS, max_size=st.integers(3, 12))
def test_the_most_frequent_are_kept(texts, max_size):
    vocabulary = gk.Vocabulary.of_characters(texts, max_size)
    assert len(vocabulary) <= max_size
    counts = collections.Counter("".join(texts))
    kept = [(-counts.pop(token), token) for token in vocabulary.tokens]
    assert kept == sorted(kept)
    assert all(kept[-1] < (-count, token) for token, count in counts.items())
    assert not counts or len(vocabulary) == max_size


@EXAMPLES
@given(texts=TEXTS, length=st.integers(1, 6))
def test_truncated_texts_keep_their_beginning(texts, length):
    vocabulary = gk.Vocabulary.of_characters(texts)
    encoded = vocabulary.encode(texts, length, truncate=True)
    assert encoded.shape == (len(texts), length)
    assert vocabulary.decode(encoded) == [text[:length] for text in texts]


def test_a_vocabulary_is_kept_in_a_file():
    vocabulary = gk.Vocabulary.of_characters(["Straße", "été"])
    kept = json.loads(json.dumps([vocabulary.tokens, vocabulary.unit]))
    assert gk.Vocabulary(*kept) == vocabulary
    assert hash(gk.Vocabulary(*kept)) == hash(vocabulary)
    assert gk.Vocabulary(["a", "b"], "word") != gk.Vocabulary("ab", "character")
    assert vocabulary != list(vocabulary.tokens)


def test_the_words_of_five_languages_by_their_characters():
    data = gk.load_dataset("words_5_languages")
    vocabulary = gk.Vocabulary.of_characters(data.train.words)
    known = set("".join(data.train.words))
    assert len(vocabulary) == 2 + len(known)
    tokens = vocabulary.encode(data.train.words)
    assert tokens.shape == (len(data.train.words), max(map(len, data.train.words)))
    assert tokens.max() == len(vocabulary) - 1
    assert vocabulary.decode(tokens) == data.train.words.tolist()
    lengths = vocabulary.lengths(tokens)
    assert lengths.tolist() == [len(word) for word in data.train.words]

    few = gk.Vocabulary.of_characters(data.train.words[data.train.labels == 1])  # English: no ß, no ñ
    seen = set(few.tokens)
    tokens = few.encode(data.test.words)
    expected = [
        "".join(letter if letter in seen else "\ufffd" for letter in word) for word in data.test.words
    ]
    assert few.decode(tokens) == expected
    unseen = sum(letter not in seen for word in data.test.words for letter in word)
    assert np.count_nonzero(tokens == 1) == unseen > 0


def test_encoded_words_are_what_an_embedding_takes():
    vocabulary = gk.Vocabulary.of_characters(np.array(["no", "yes"]))
    embedding = np.eye(len(vocabulary), dtype=np.float32)
    assert embedding[vocabulary.encode(["on", "say"])].shape == (2, 3, len(vocabulary))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gk.Vocabulary("abc"), TypeError, "Vocabulary: tokens must be a list or an array"),
        (lambda: gk.Vocabulary(["ab"], "character"), ValueError, r"single characters; .*tokens=\['ab'\]"),
        (lambda: gk.Vocabulary(["a", ""], "character"), ValueError, r"single characters; .*tokens=\[''\]"),
        (lambda: gk.Vocabulary(["a b"]), ValueError, r"tokens must be single words; .*\['a b'\]"),
        (lambda: gk.Vocabulary([" a"]), ValueError, "tokens must be single words"),
        (lambda: gk.Vocabulary(["a", "b", "a"]), ValueError, r"must differ; received repeated=\['a'\]"),
        (lambda: gk.Vocabulary(["a", 1]), TypeError, "strings; received item=1"),
        (lambda: gk.Vocabulary(["a"], "letter"), ValueError, "unit must be one of 'word', 'character'"),
        (lambda: gk.Vocabulary.of_words("to be"), TypeError, "of_words: texts .*texts=<class 'str'>"),
        (lambda: gk.Vocabulary.of_characters([b"a"]), TypeError, "of_characters: .*item=b'a'"),
        (lambda: gk.Vocabulary.of_characters(np.array([["a"]])), ValueError, r"shape=\(1, 1\)"),
        (lambda: gk.Vocabulary.of_characters(np.array([1])), TypeError, "item=1"),
        (lambda: gk.Vocabulary.of_words(["a"], 2), ValueError, "max_size must be .* at least 3"),
        (lambda: gk.Vocabulary.of_words(["a"], 3.0), TypeError, "max_size must be an integer"),
    ],
)
def test_refused_vocabularies(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda v: v.encode("abc"), TypeError, "encode: texts must be a list or an array"),
        (lambda v: v.encode([None]), TypeError, "item=None"),
        (lambda v: v.encode(["a"], 0), ValueError, "length must be an integer of at least 1"),
        (
            lambda v: v.encode(["a", "abc"], 2),
            ValueError,
            "at most length characters, or truncate=True .*length=2, characters=3, position=1",
        ),
        (lambda v: v.decode(2), TypeError, "decode: tokens must be an array"),
        (lambda v: v.decode(np.array([2])), ValueError, "tokens must have 2 axes"),
        (lambda v: v.decode(np.array([[2.0]])), TypeError, "tokens must be integers; .*dtype='float64'"),
        (lambda v: v.decode(np.array([[2, 5]])), ValueError, r"lie in 0..4; received minimum=2, maximum=5"),
        (lambda v: v.decode(np.array([[-1]])), ValueError, "minimum=-1"),
        (lambda v: v.lengths(np.array([[5]])), ValueError, "lengths: tokens must lie in 0..4"),
        (lambda v: v.lengths(np.array([[2, 0], [0, 2]])), ValueError, r"after the tokens .*rows=\[1\]"),
    ],
)
def test_refused_texts_and_tokens(call, error, message):
    with pytest.raises(error, match=message):
        call(gk.Vocabulary("abc", "character"))


def test_decode_and_lengths_of_nothing():
    vocabulary = gk.Vocabulary("abc", "character")
    assert vocabulary.encode([]).shape == (0, 0)
    assert vocabulary.decode(np.zeros((0, 4), int)) == []
    assert vocabulary.lengths(np.zeros((2, 0), int)).tolist() == [0, 0]
    assert vocabulary.decode(np.array([[0, 2, 0, 3]])) == ["ab"]
