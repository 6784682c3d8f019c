"""Files that the pages and browsers ask for; all are read once, at start."""
