"""Motion guidance: edit a photo by saying where its pixels should go."""
