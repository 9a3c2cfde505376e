"""Experiments on top of a trainer."""

from graphkit.studies.loss_surface import LossSurface as LossSurface
from graphkit.studies.loss_surface import WeightPath as WeightPath
from graphkit.studies.loss_surface import loss_surface as loss_surface
from graphkit.studies.rate_finder import RateTest as RateTest
from graphkit.studies.rate_finder import find_learning_rate as find_learning_rate
