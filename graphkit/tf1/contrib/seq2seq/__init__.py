"""`tf.contrib.seq2seq`: decoders, their helpers, beam search and attention."""

from graphkit.nn.attention import hardmax
from graphkit.nn.beams import gather_tree, tile_batch
from graphkit.tf1 import overlay
from graphkit.tf1.contrib.seq2seq.attention import (
    AttentionMechanism,
    BahdanauAttention,
    LuongAttention,
)
from graphkit.tf1.contrib.seq2seq.attention_cell import AttentionWrapper, AttentionWrapperState
from graphkit.tf1.contrib.seq2seq.basic_decoder import BasicDecoder, BasicDecoderOutput
from graphkit.tf1.contrib.seq2seq.beam_search import (
    BeamSearchDecoder,
    BeamSearchDecoderOutput,
    BeamSearchDecoderState,
    FinalBeamSearchDecoderOutput,
)
from graphkit.tf1.contrib.seq2seq.decoding import Decoder, dynamic_decode
from graphkit.tf1.contrib.seq2seq.decoding import swap_batch_and_time as _transpose_batch_time  # noqa: F401
from graphkit.tf1.contrib.seq2seq.helpers import (
    CustomHelper,
    GreedyEmbeddingHelper,
    Helper,
    InferenceHelper,
    SampleEmbeddingHelper,
    TrainingHelper,
)
from graphkit.tf1.contrib.seq2seq.losses import sequence_loss
from graphkit.tf1.contrib.seq2seq.scheduled_helpers import (
    ScheduledEmbeddingTrainingHelper,
    ScheduledOutputTrainingHelper,
)

__all__ = [
    "AttentionMechanism",
    "AttentionWrapper",
    "AttentionWrapperState",
    "BahdanauAttention",
    "BasicDecoder",
    "BasicDecoderOutput",
    "BeamSearchDecoder",
    "BeamSearchDecoderOutput",
    "BeamSearchDecoderState",
    "CustomHelper",
    "Decoder",
    "FinalBeamSearchDecoderOutput",
    "GreedyEmbeddingHelper",
    "Helper",
    "InferenceHelper",
    "LuongAttention",
    "SampleEmbeddingHelper",
    "ScheduledEmbeddingTrainingHelper",
    "ScheduledOutputTrainingHelper",
    "TrainingHelper",
    "dynamic_decode",
    "gather_tree",
    "hardmax",
    "sequence_loss",
    "tile_batch",
]

__getattr__, __dir__ = overlay.over(
    __name__,
    modules="attention_wrapper basic_decoder beam_search_decoder beam_search_ops decoder helper loss",
)
