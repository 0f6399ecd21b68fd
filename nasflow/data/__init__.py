"""Images: where they come from, how they are split, what is known of them."""
