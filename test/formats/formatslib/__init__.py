"""Writers of every image format, independent of lkmfs, and a check that lkmfs reads the same memory out of each."""
