"""Teaching a network to see watermarks: pictures with marks drawn on them, the training, its report."""
