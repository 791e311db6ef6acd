"""What the guest said: insmod's and rmmod's results, and the kernel's own log."""

import re

# What the loader and the patchers say of a module that is not as it should be.
COMPLAINTS = re.compile(
    r"WARNING|BUG|Oops|missing return thunk|Unpatched return thunk|ftrace (failed|faulted)|unexpected static_call|"
    r"jump_label: Fatal|[Ii]nvalid relocation|Unknown symbol|version magic|no symbol version|disagrees|duplicate|"
    r"does not import|license|kernel tainted|retpoline")
# What the guest's script writes to the kernel's log first: what the kernel said at boot is not about modules.
BEGIN = "loader test begins"
# The one message that an unsigned module must give.
EXPECTED = re.compile(r"module verification failed: signature and/or required key missing")


def last_step(output: str) -> str:
    """The last thing a guest did before it died."""
    steps = [line for line in output.splitlines() if line.startswith(("insmod ", "rmmod "))]
    return steps[-1] if steps else "nothing"


def check(output: str, modules: list[str]) -> list[str]:
    """All that is not as it should be."""
    failures = []
    loaded = set()
    steps, _, kernel = output.partition("dmesg begins\n")
    _, begun, kernel = kernel.partition(BEGIN)
    if not begun:
        failures.append("the kernel's log does not reach back to the start; it was overwritten")
    for line in steps.splitlines():
        words = line.split(" ", 5)
        if words[0] == "insmod":
            loaded.add(words[1])
            if words[2] != "0" or words[3] != "live" or words[4] != "E":
                failures.append(line)
        elif words[0] == "rmmod" and words[2] != "0":
            failures.append(line)
    failures += [f"{module}: never tried" for module in modules if module not in loaded]
    failures += [f"kernel log: {line}" for line in kernel.splitlines()
                 if COMPLAINTS.search(line) and not EXPECTED.search(line)]
    return failures
