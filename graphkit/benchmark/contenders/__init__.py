"""The contenders of the benchmark: a module for each library, with a function `train(problem, watch, ...)`.

Each trains what `networks` describes, tells the `Watch` when its steps and epochs end, lets it time a
prediction, and returns the training accuracy of the last epoch and the number of weights trained.
"""
