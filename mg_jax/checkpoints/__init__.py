"""Published weights of any network: named arrays, what describes them, the way to parameters."""
