"""What test/damage/run is made of."""
