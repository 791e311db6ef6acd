"""How close rebuilt modules are to the files that were loaded. Pure ELF reading; knows nothing of lkmfs' sources."""
