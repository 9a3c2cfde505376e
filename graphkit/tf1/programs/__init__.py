"""TF1 programs as they are: running, checking and upgrading them (`graphkit tf1 run | check | upgrade`)."""
