#!/usr/bin/env bash
# Trains one graph on 4 nodes, one worker on each:
#
#     sbatch deploy/slurm.sh scripts/train.py --model mlp --logdir runs/mlp
#
# The folder of the run must be on a file system that all nodes share. --resume is appended, so a new run needs a
# new --logdir. When Slurm puts the job back into its queue, as after the loss of a node, it goes on where it was.
#SBATCH --job-name=train
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# The workers get SIGTERM this many seconds before the time limit, for a last checkpoint.
#SBATCH --signal=TERM@300

set -u
restarts=${RESTARTS:-3}
if [ $# -eq 0 ]; then
    echo "slurm.sh: a program is needed, such as scripts/train.py --model mlp" >&2
    exit 2
fi
# Another port for each job, since TensorFlow's server would share it with that of another job on the node.
port=$((20000 + SLURM_JOB_ID % 10000))

for ((attempt = 0; attempt <= restarts; attempt++)); do
    export GRAPHKIT_ATTEMPT=$attempt
    # --kill-on-bad-exit=0 --wait=0: when a worker is lost, the others notice it and end by themselves, with 75.
    srun --kill-on-bad-exit=0 --wait=0 --label \
        python scripts/launch.py --environment slurm --port "$port" -- "$@" --resume
    code=$? # the highest one of all workers; 128 and the number of a signal, if one was killed
    case $code in
        75 | 134 | 135 | 136 | 137 | 139) echo "slurm.sh: a worker was lost (exit code $code)" >&2 ;;
        *) exit "$code" ;; # 0, an error of the program, or 143: asked to end
    esac
done
echo "slurm.sh: no restarts are left; the same command goes on from the last checkpoint" >&2
exit 75
