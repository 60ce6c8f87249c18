"""CLIP's tokenizer and text encoder."""
