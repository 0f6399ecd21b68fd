"""Images from folders, Parquet files or built-in data sets, as arrays.

This room may import the configuration, and storage for reading records and for its errors.
It offers `datasets.load_splits`, which reads a source and splits it, and the parts that it is made
of: which files count (`walk`), decoding (`pictures`, `encoded`), facts about the images, and the
split file.
"""
