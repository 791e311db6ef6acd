"""The parts of bench."""
