"""Files to keep are there until they have been fetched."""

from pathlib import Path
from types import SimpleNamespace

from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from app import files


def test_a_file_stays_while_others_draw_their_pages_and_goes_with_its_own(monkeypatch):
    manager, buttons = MediaFileManager(MemoryMediaFileStorage("/media")), []
    monkeypatch.setattr(files.runtime, "get_instance", lambda: SimpleNamespace(media_file_mgr=manager))
    monkeypatch.setattr(files, "get_script_run_ctx", lambda **_: SimpleNamespace(session_id="reader"))
    monkeypatch.setattr(files.st, "download_button", lambda *given, **options: buttons.append((given, options)))

    for name in ("numbers.csv", "trace.npz"):
        files.save_button("Save", lambda: "a,b\n", name, icon="table")
        (_, make, _), options = buttons.pop()
        url = manager.execute_deferred(manager.add_deferred(make, options["mime"], "1.2", file_name=name))
        file = url.rpartition("/")[2].partition(".")[0]
        for _ in range(3):
            manager.remove_orphaned_files()
        assert manager.read_file(file).content == b"a,b\n"
        manager.clear_session_refs("reader")  # its page is drawn again
        for _ in range(2):
            manager.remove_orphaned_files()
        assert manager.read_file(file) is None


def test_every_file_is_saved_by_one_button():
    root = Path(files.__file__).parents[1]
    named = {
        file
        for part in ("app", "pages")
        for file in (root / part).rglob("*.py")
        if ".download_button(" in file.read_text("utf-8")
    }
    assert named == {Path(files.__file__)}
