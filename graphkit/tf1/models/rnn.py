"""`tf.models.rnn`: `from tensorflow.models.rnn import rnn, rnn_cell, seq2seq`."""

from graphkit.tf1 import nn as rnn
from graphkit.tf1 import overlay
from graphkit.tf1.contrib import legacy_seq2seq as seq2seq
from graphkit.tf1.nn import rnn_cell

__all__ = ["rnn", "rnn_cell", "seq2seq"]

__getattr__, __dir__ = overlay.over(__name__)
