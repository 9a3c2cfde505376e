"""The contenders of the benchmark: a module for each library, with a function `train(problem, ...)`.

Each returns the seconds since its start at the end of each epoch, the training accuracy of the last
epoch, and the number of weights trained. The peers build what `networks` describes.
"""
