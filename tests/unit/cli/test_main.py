"""The first and the last moment of the command line's process, as real signals meet them."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

AT_IMPORT = """
    class AtImport:
        def find_spec(self, name, path=None, target=None):
            if name == "typer":
                come()
    sys.meta_path.insert(0, AtImport())
"""
AT_EXIT = "atexit.register(come)"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
@pytest.mark.parametrize(
    ("moment", "code", "said"), [(AT_IMPORT, 75, "fanout: interrupted\n"), (AT_EXIT, 0, "")]
)
def test_a_signal_decides_no_exit_code_by_killing(moment, code, said, name):
    program = f"""
    import atexit, os, signal, sys
    def come():
        os.kill(os.getpid(), signal.{name})
    {moment}
    from fanout.cli import main
    main(["--version"])
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (code, said)
