"""The parts of load-modules."""
