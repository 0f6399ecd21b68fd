"""Files that are whole: records, checkpoints, the state of a stage, and who may write."""
