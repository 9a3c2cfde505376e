"""Why a loss, a gradient or a variable is not finite."""

from graphkit.diagnosis.recorder import NotFiniteError as NotFiniteError
from graphkit.diagnosis.replica import PostMortem as PostMortem
from graphkit.diagnosis.replica import replay as replay
