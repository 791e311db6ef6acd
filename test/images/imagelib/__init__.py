"""Boots stock distribution kernels and keeps their memory with the truth about it; see ../README.md."""


class ImageError(Exception):
    """An image can't be made, or its kernel not be run; the message says why."""
