"""Scorers: signals of images that need weights. Their modules alone may import torch, in processes of their own."""
