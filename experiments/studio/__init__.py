"""The studio: a page on this machine on which a person moves things in photos."""
