"""The story of an experiment's searches as one page, and the pictures that it is made of."""
