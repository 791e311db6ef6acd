"""One QEMU process in software emulation, steered over QMP, that never outlives its user."""

import json
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from . import ImageError
from .kernels import Kernel

_PROGRAMS = {"amd64": ["qemu-system-x86_64", "-machine", "q35"]}
_PATIENCE = 120                         # seconds to wait for an answer of QEMU


class GuestError(ImageError):
    """The guest died, hung or could not be started; the message ends with its last words."""

    output = b""                        # what its script had written by then


class Machine:
    """A running guest. Leaving the context kills it; so does the death of this process."""

    def __init__(self, kernel: Kernel, folder: Path, vmlinuz: Path, initrd: Path, disk: Path | None) -> None:
        self._folder = folder
        self._console = folder / "console"
        self._errors = folder / "qemu.err"
        self.output = folder / "output"
        cmdline = f"console=ttyS0 panic=-1 oops=panic loglevel=4 {kernel.cmdline}".strip()
        self._command = [
            "setpriv", "--pdeathsig", "KILL", "--", *_PROGRAMS[kernel.arch],
            "-accel", "tcg,thread=multi,tb-size=256", "-cpu", f"{kernel.cpu},check=off",
            "-smp", str(kernel.cpus), "-m", str(kernel.memory),
            "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-chardev", f"file,id=console,path={self._console.name}", "-serial", "chardev:console",
            "-chardev", f"file,id=output,path={self.output.name}", "-serial", "chardev:output",
            "-device", "virtio-rng-pci",
            "-kernel", str(vmlinuz.resolve()), "-initrd", str(initrd.resolve()), "-append", cmdline,
        ]
        if disk:
            path = str(disk.resolve()).replace(",", ",,")
            self._command += ["-drive", f"if=virtio,format=raw,cache=unsafe,file={path}"]

    def __enter__(self) -> "Machine":
        self._socket, theirs = socket.socketpair()
        monitor = ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"]
        with theirs, self._errors.open("wb") as errors:
            self._process = subprocess.Popen([*self._command, *monitor], cwd=self._folder, stdin=subprocess.DEVNULL,
                                             stdout=errors, stderr=errors, pass_fds=[theirs.fileno()])
        self._socket.settimeout(_PATIENCE)
        self._answers = self._socket.makefile()
        try:
            self.qmp("qmp_capabilities")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type | None, failure: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._socket.close()

    def qmp(self, command: str, **arguments: Any) -> Any:
        """Run a QMP command and return its result."""
        try:
            self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            for line in self._answers:  # others than the answer are the greeting and events
                answer = json.loads(line)
                if "error" in answer:
                    raise GuestError(f"QMP {command}: {answer['error']['desc']}")
                if "return" in answer:
                    return answer["return"]
        except OSError:
            pass
        raise self._dead(f"QEMU ended or hung in {command}")

    def console(self) -> str:
        """All the guest wrote to its console so far."""
        return self._console.read_text(errors="replace") if self._console.exists() else ""

    def _dead(self, why: str) -> GuestError:
        last = "\n  ".join((self.console() + self._errors.read_text()).splitlines()[-20:])
        return GuestError(f"{why}; its last words:\n  {last}")

    def wait_for(self, mark: str, seconds: float) -> str:
        """Wait until a console line starts with the mark; the rest of that line."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self._process.poll() is not None
            for line in self.console().split("\n")[:-1]:
                if line.startswith(mark):
                    return line[len(mark):].strip()
            if ended:
                raise self._dead("the guest died")
            if time.monotonic() > deadline:
                raise self._dead(f"the guest took more than {seconds:.0f} s")
            time.sleep(0.1)
