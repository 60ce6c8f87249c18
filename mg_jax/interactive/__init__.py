"""What a studio needs besides its window: the document, and what follows from it.

A page in the browser (`experiments.studio`) and a widget in a notebook show the same. Words are the
document: a photo, an ordered list of selections and motions in words, and settings. Messages come
in and replies go out as JSON (`desk.Desk`); how they travel is not known here.
"""
