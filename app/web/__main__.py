"""`python -m app.web FOLDER`, which is what `vitrm site FOLDER` runs."""

import sys
from pathlib import Path

from streamlit.logger import set_log_level

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # nobody's site-packages holds a module called `app`
    sys.path.insert(0, str(ROOT))
set_log_level("error")  # it misses a server that is not needed here

from app.web.write import write  # noqa: E402

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    files = write(folder)
    size = sum(file.stat().st_size for file in files)
    print(f"{len(files)} files, {size / 1e6:.1f} MB, in {folder.resolve()}. Open {folder / 'index.html'}, or serve it.")
