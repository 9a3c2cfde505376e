"""Pictures of data, runs and graphs as matplotlib figures."""

from graphkit.plots.curves import plot_histograms as plot_histograms
from graphkit.plots.curves import plot_history as plot_history
from graphkit.plots.curves import plot_loss_surface as plot_loss_surface
from graphkit.plots.curves import plot_rate_test as plot_rate_test
from graphkit.plots.diagrams import plot_graph as plot_graph
from graphkit.plots.diagrams import plot_receptive_field as plot_receptive_field
from graphkit.plots.images import plot_feature_maps as plot_feature_maps
from graphkit.plots.images import plot_filters as plot_filters
from graphkit.plots.images import plot_images as plot_images
from graphkit.plots.results import plot_confusion_matrix as plot_confusion_matrix
from graphkit.plots.results import plot_embedding as plot_embedding
from graphkit.plots.results import plot_probabilities as plot_probabilities
