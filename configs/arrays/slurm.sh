#!/bin/bash
# id=$(sbatch --parsable slurm.sh) && sbatch --dependency=afterok:$id --wrap='fanout merge /mnt/fanout/run --rows-failed-exit 0'
#SBATCH --job-name=fanout
#SBATCH --array=0-3%4
#SBATCH --requeue
#SBATCH --signal=TERM@60
#SBATCH --open-mode=append
srun fanout run -c /mnt/fanout/job.toml --shard auto --rows-failed-exit 0
code=$?
# Interrupted, or killed with its step: the same task goes on where its journal says.
case $code in 75 | 137 | 143) scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" ;; esac
exit $code
