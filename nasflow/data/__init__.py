"""Images from folders, Parquet files or data sets that are built in, as arrays.

This room may import storage, for the listing of files and for its errors, and the configuration.
It offers `datasets.load_splits`, which reads a source and splits it, and what it is made of:
decoding (`pictures`, `encoded`), facts about the images, and the split file.
"""
