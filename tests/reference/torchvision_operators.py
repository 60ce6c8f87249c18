"""Import this before anything that imports torchvision: see `pytorch_networks`."""

from experiments import pytorch_networks

pytorch_networks.declare_operators()
