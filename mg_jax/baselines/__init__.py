"""Baselines that guided sampling is compared with: other ways to edit a photo by a flow."""
