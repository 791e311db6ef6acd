"""The table of test images: one line of facts each. Everything else follows from it."""

from dataclasses import dataclass

from . import modulelists

# QEMU models of the guests' processors, of two vendors because kernels patch themselves and their modules to suit.
# Both have AES and AVX2, and 4-level paging unless told otherwise; AMD has SVM, for kvm_amd, and Intel needs page-table
# isolation. No cmpxchg16b, for QEMU 7.2 seems to spoil the flags when it emulates it: 6.12 died of that.
_AMD = "EPYC,-cx16"
_INTEL = "Cascadelake-Server,-cx16"


@dataclass(frozen=True)
class Kernel:
    """One guest: which kernel to take from the archive, and the machine it runs on."""

    name: str
    suite: str                          # of the archive
    package: str                        # metapackage; its dependencies name the kernel of the day
    arch: str = "amd64"
    cpus: int = 2
    cpu: str = _AMD
    memory: int = 512                   # MiB
    cmdline: str = ""                   # added to the kernel's command line
    modules: tuple[str, ...] = modulelists.CLOUD
    formats: tuple[str, ...] = ()       # besides raw: "elf", "lime"
    seconds: int = 480                  # a guest that takes longer is killed: some eight times what it needs


CLOUD = "linux-image-cloud-amd64"
FULL = "linux-image-amd64"
RT = "linux-image-rt-amd64"

KERNELS = {kernel.name: kernel for kernel in (
    Kernel("debian-6.1", "bookworm", CLOUD, formats=("elf", "lime")),
    Kernel("debian-6.12", "bookworm-backports", CLOUD, cmdline="pti=on"),
    Kernel("debian-5.10", "bullseye", CLOUD, cpus=1),
    Kernel("debian-sid", "sid", CLOUD, cpu=f"{_INTEL},+la57"),
    Kernel("debian-6.1-full", "bookworm", FULL, memory=1024, modules=modulelists.FULL, seconds=900),
    Kernel("debian-6.12-full", "bookworm-backports", FULL, cpu=_INTEL, memory=1024, modules=modulelists.FULL,
           seconds=900),
    Kernel("debian-sid-full", "sid", FULL, memory=1024, modules=modulelists.FULL, seconds=1800),
    Kernel("debian-6.12-rt", "trixie", RT, cpu=_INTEL, cmdline="nokaslr"),
    Kernel("debian-trixie", "trixie", CLOUD),
    Kernel("debian-trixie-backports", "trixie-backports", CLOUD, cpu=_INTEL, cmdline="nopti"),
    Kernel("debian-experimental", "experimental", CLOUD),
)}
DEFAULT = ("debian-6.1", "debian-6.12", "debian-5.10", "debian-sid")
