"""`python -m app.web FOLDER`, which is what `vitrm site FOLDER` runs."""

import os
import sys
import tempfile
from pathlib import Path

from streamlit.logger import set_log_level

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # nobody's site-packages holds a module called `app`
    sys.path.insert(0, str(ROOT))
set_log_level("error")  # it misses a server that is not needed here

from app.web.write import write  # noqa: E402

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as empty:
        os.environ["VITRM_HOME"] = empty  # of the user's runs none stands in for a bundled model of that name
        try:
            files = write(folder)
        finally:
            os.environ.clear()
            os.environ.update(before)
    size = sum(file.stat().st_size for file in files)
    print(f"{len(files)} files, {size / 1e6:.1f} MB, in {folder.resolve()}. Open {folder / 'index.html'}, or serve it.")
