# The public names of `gk.plots`, and where they are defined: `__init__.py` loads them from here.
from .curves import plot_histograms as plot_histograms
from .curves import plot_history as plot_history
from .curves import plot_loss_surface as plot_loss_surface
from .curves import plot_rate_test as plot_rate_test
from .diagrams import plot_graph as plot_graph
from .diagrams import plot_receptive_field as plot_receptive_field
from .images import plot_feature_maps as plot_feature_maps
from .images import plot_filters as plot_filters
from .images import plot_images as plot_images
from .results import plot_confusion_matrix as plot_confusion_matrix
from .results import plot_embedding as plot_embedding
from .results import plot_probabilities as plot_probabilities
