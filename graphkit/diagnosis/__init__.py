"""Why a loss, a gradient or a variable is not finite."""

from graphkit.diagnosis.recorder import NotFiniteError as NotFiniteError
from graphkit.diagnosis.recorder import Recorder as Recorder
from graphkit.diagnosis.replay_file import replay as replay
from graphkit.diagnosis.report import PostMortem as PostMortem
