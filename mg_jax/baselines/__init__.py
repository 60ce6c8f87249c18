"""What guided sampling is compared with: other ways to a picture from a photo and a flow."""
