"""What the first page of a server has done before anything else."""

import subprocess
import sys


def test_pandas_is_there_before_plotly_looks_for_it():
    """Plotly takes what it finds in sys.modules: of two first visitors at once, one ended with an AttributeError."""
    code = "import sys, app.Home; loaded = [*sys.modules, 'plotly']; "
    code += "assert loaded.index('pandas') < loaded.index('plotly')"
    subprocess.run([sys.executable, "-c", code], check=True)
