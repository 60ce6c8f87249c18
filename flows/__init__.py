"""Motion itself: flow fields, their geometry, files and pictures, and the RAFT network."""
