"""Load published weights of any network: named arrays, their description, their parameters."""
