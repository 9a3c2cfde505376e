"""A server of TensorFlow, on which sessions of other processes run: python server.py PORT."""

import sys

import tensorflow as tf

address = f"127.0.0.1:{sys.argv[1]}"
server = tf.compat.v1.train.Server({"worker": [address]}, job_name="worker", task_index=0)
print("ready", flush=True)
server.join()
