"""`tf.contrib.seq2seq`: decoders, their helpers, beam search and attention."""

from graphkit.nn.attention import hardmax, monotonic_attention, safe_cumprod
from graphkit.nn.beams import gather_tree, tile_batch
from graphkit.tf1 import overlay
from graphkit.tf1.contrib.seq2seq.attention import (
    AttentionMechanism,
    BahdanauAttention,
    BahdanauMonotonicAttention,
    LuongAttention,
    LuongMonotonicAttention,
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
from graphkit.tf1.contrib.sequences import transpose_batch_time as _transpose_batch_time  # noqa: F401

__all__ = [
    "AttentionMechanism",
    "AttentionWrapper",
    "AttentionWrapperState",
    "BahdanauAttention",
    "BahdanauMonotonicAttention",
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
    "LuongMonotonicAttention",
    "SampleEmbeddingHelper",
    "ScheduledEmbeddingTrainingHelper",
    "ScheduledOutputTrainingHelper",
    "TrainingHelper",
    "dynamic_decode",
    "gather_tree",
    "hardmax",
    "monotonic_attention",
    "safe_cumprod",
    "sequence_loss",
    "tile_batch",
]

__getattr__, __dir__ = overlay.over(
    __name__,
    modules="attention_wrapper basic_decoder beam_search_decoder beam_search_ops decoder helper loss",
)
