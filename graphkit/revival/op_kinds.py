"""Which kinds of ops a file of somebody else may hold: what reaches files, networks or Python is refused."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk

# What an op that is not listed below may do is read from its definition: it holds no state, and neither takes
# strings nor has a string as an attribute, so that it cannot name a file, a host or a Python function. This
# holds for ops of later versions, too. The tests go through all ops of the TensorFlow that is installed.
STATEFUL = frozenset(
    """
    VarHandleOp Variable VariableV2 ReadVariableOp VariableShape VarIsInitializedOp ResourceGather
    ResourceGatherNd AssignVariableOp AssignAddVariableOp AssignSubVariableOp
    RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal ParameterizedTruncatedNormal
    RandomGamma RandomPoisson RandomPoissonV2 RandomShuffle RandomCrop Multinomial
    AllCandidateSampler LearnedUnigramCandidateSampler LogUniformCandidateSampler UniformCandidateSampler
    ThreadUnsafeUnigramCandidateSampler SampleDistortedBoundingBox SampleDistortedBoundingBoxV2
    If While Case StatefulPartitionedCall Assert Print CheckNumerics CheckNumericsV2 GuaranteeConst Empty
    DeepCopy CudnnRNN CudnnRNNV2 CudnnRNNV3
    TensorArrayV3 TensorArrayGradV3 TensorArrayGradWithShape TensorArrayCloseV3 TensorArrayConcatV3
    TensorArrayGatherV3 TensorArrayReadV3 TensorArrayScatterV3 TensorArraySizeV3 TensorArraySplitV3
    TensorArrayWriteV3 Stack StackV2 StackPushV2 StackPopV2 StackCloseV2
    HashTableV2 LookupTableFindV2 LookupTableImportV2 LookupTableSizeV2 InitializeTableV2
    """.split()
)
WITH_STRINGS = frozenset(
    """
    AsString DecodeAndCropJpeg DecodeBase64 DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng DecodeRaw
    DecodePaddedRaw DecodeWav DenseToDenseSetOperation DenseToSparseSetOperation Einsum Enter RefEnter
    ExtractGlimpse ExtractGlimpseV2 GatherNd ScatterNd ScatterNdNonAliasingAdd TensorScatterAdd
    TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate ImageProjectiveTransformV2
    ImageProjectiveTransformV3 DataFormatDimMap DataFormatVecPermute ParseExample ParseExampleV2
    ParseSingleExample ParseSequenceExample ParseSequenceExampleV2 PartitionedCall PreventGradient
    RaggedTensorToTensor ReduceJoin RegexFullMatch RegexReplace ScaleAndTranslate StaticRegexFullMatch
    StaticRegexReplace StringFormat StringJoin StringLength StringLower StringNGrams StringSplit StringSplitV2
    StringStrip StringToHashBucket StringToHashBucketFast StringToHashBucketStrong StringToNumber StringUpper
    Substr UnicodeDecode UnicodeDecodeWithOffsets UnicodeTranscode
    """.split()
)
REASONS = {
    r"(Eager)?PyFunc(Stateless)?": "it calls a Python function of the process that runs it",
    r"ReadFile|WholeFileReader.*|MatchingFiles|.*Restore.*|.*RemapMatrix|.*VocabRemapping|ImmutableConst": (
        "it reads files"
    ),
    r"InitializeTableFromTextFile(V2)?|FixedUnigramCandidateSampler|(En|De)code_?Proto.*": "it reads files",
    r"WriteFile|Save(V2|Slices)?|MergeV2Checkpoints|.*SummaryWriter|CreateSummary.*|PrintV2": (
        "it writes files"
    ),
    r"Debug.*|.*(Send|Recv)|RemoteCall|Collective.*|DataService.*|RegisterDataset.*|Nccl.*": (
        "it sends data elsewhere"
    ),
    r"Abort": "it ends the process",
    r".*(TPU|Infeed|Outfeed|Prelinearize|Xla).*": "it is for TPUs, or for one compiler",
    r".*(Dataset|Iterator|Queue|Reader|Stage|Barrier).*": (
        "it brings examples from elsewhere; name what it brings in inputs, which are then fed"
    ),
}
QUANTIZED = re.compile(r".*Quant(ized|ize|ization).*|Dequantize|Requantiz.*|FakeQuant.*|RequantizationRange")
QUANTIZED_TYPES = [
    dtype.as_datatype_enum for dtype in (tf.qint8, tf.quint8, tf.qint16, tf.quint16, tf.qint32)
]


def definitions(kinds: Iterable[str]) -> dict[str, Any]:
    """Returns {kind: OpDef} of those that this TensorFlow has; no op is made."""
    empty = tf.compat.v1.GraphDef()
    for kind in kinds:
        empty.node.add(name=kind, op=kind)
    # The public function that looks ops up by their kind.
    found = tf.compat.v1.train.export_meta_graph(graph_def=empty, graph=tf.Graph())
    return {op.name: op for op in found.meta_info_def.stripped_op_list.op}


def takes_strings(definition: Any) -> bool:
    """Whether an op takes strings, or has an attribute that may be any string."""
    strings = any(argument.type == tf.string.as_datatype_enum for argument in definition.input_arg)
    free = (a for a in definition.attr if a.type in ("string", "list(string)"))
    return strings or any(not attribute.HasField("allowed_values") for attribute in free)


def refusal(kind: str, definition: Any) -> str | None:
    """Returns why an op is refused, or None.

    Args:
      kind: its type.
      definition: its OpDef; None where TensorFlow has no such op.
    """
    if kind in STATEFUL or kind in WITH_STRINGS:
        return None
    for pattern, reason in REASONS.items():
        if re.fullmatch(pattern, kind):
            return reason
    if definition is None or not hasattr(tf.raw_ops, kind):
        return "TensorFlow has no such op; it may be of another program's library"
    if definition.is_stateful:
        return "it has a state that is not known to be harmless"
    if takes_strings(definition):
        return "it takes strings, which may name files or addresses"
    return None


def nodes_with_places(nodes: Iterable[Any], library: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """Yields (node, its name, and that of the function it is in)."""
    nodes = list(nodes)
    yield from ((node, node.name) for node in nodes)
    for name, function in walk.functions_called(nodes, library).items():
        yield from ((node, f"{node.name} (in function {name})") for node in function.node_def)


def check_kinds(
    check: checks.Checker, nodes: Iterable[Any], library: Mapping[str, Any], allow: Collection[str]
) -> None:
    """Refuses ops that may reach outside, and quantized ones, also inside functions.

    Raises:
      ValueError: a node is of a kind that is refused and not in allow.
    """
    placed = list(nodes_with_places(nodes, library))
    kinds = {node.op for node, _ in placed}
    known = definitions(kinds)
    # A function may be the type of a node, but must not have the name of an op that is refused.
    reasons = {
        kind: refusal(kind, known.get(kind))
        for kind in kinds - set(allow)
        if kind in known or kind not in library
    }
    for node, place in placed:
        reason = reasons.get(node.op)
        rule = f'the file must not hold the op {place}: {reason} (allow=("{node.op}",) takes it all the same)'
        check.require(reason is None, rule, op=place, type=node.op)
        quantized = QUANTIZED.fullmatch(node.op) or is_quantized_constant(node)
        rule = f"{place} is quantized, and such weights cannot be trained; revive the model as it was before"
        check.require(not quantized or node.op in allow, rule, op=place, type=node.op)


def is_quantized_constant(node: Any) -> bool:
    return node.op == "Const" and node.attr["dtype"].type in QUANTIZED_TYPES
