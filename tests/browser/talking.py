"""A browser as far as the server can tell: it speaks Streamlit's protocol, and sends whatever it wants to."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

_PATIENCE_S = 300.0  # a busy machine is slow, not wrong


def spoken(words: Coroutine[Any, Any, Any]) -> Any:
    """What some talk comes to, in a thread of its own: in this one a browser's test may have left its event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, words).result()


class Visitor:
    """One page of one visitor, to be used in `async with`."""

    def __init__(self, home: str, number: str, where: str | None = None, **headers: str) -> None:
        """`number` is what its cookie says, `where` the address of this machine that it comes from."""
        self.home, self.number, self.where, self.headers = home, number, where, headers
        self.page, self.query, self.session, self.uploader = "", "", "", ""
        self.widgets: dict[str, str] = {}  # their identities, by their keys
        self.said: list[str] = []  # what the page last said, and the tracebacks on it
        self.tracebacks: list[str] = []
        self._kept: dict[str, Any] = {}

    async def __aenter__(self) -> Visitor:
        self.socket = await websockets.connect(
            f"{self.home.replace('http', 'ws')}/_stcore/stream", subprotocols=["streamlit"], max_size=None,
            local_addr=(self.where, 0) if self.where else None, open_timeout=_PATIENCE_S,
            ping_interval=None,  # or a server that has not answered one for 20 s would be given up
            additional_headers={"Cookie": f"vitrm_visitor={self.number}"} | self.headers,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()

    async def send(
        self, page: str | None = None, press: str | None = None, *, forged: dict[str, Any] | None = None,
        files: Any = None, told: tuple[str, str, Any] | None = None, **kept: Any,
    ) -> None:  # fmt: skip
        """Have the page run with all that was chosen so far and `kept`, until the whole answer is there.

        `press` is a button that it has shown, disabled or not; `page` with its query another page from now on;
        `forged` is sent this once, for widgets or keys that need not exist; `told` is a component by its key, and the
        event and value that it sends.
        """
        if page is not None:
            self.page, _, self.query = page.partition("?")
        self._kept |= kept
        message = BackMsg()
        rerun = message.rerun_script
        rerun.page_name, rerun.query_string = self.page, self.query
        rerun.context_info.url = f"http://127.0.0.1/{self.page}"
        for key, value in (self._kept | (forged or {})).items():
            state = rerun.widget_states.widgets.add(id=self.widgets.get(key, key))
            if isinstance(value, list):
                state.string_array_value.data.extend(value)
            else:
                setattr(state, f"{type(value).__name__.replace('str', 'string')}_value", value)
        if press is not None:
            rerun.widget_states.widgets.add(id=self.widgets[press], trigger_value=True)
        if told is not None:
            component, event, value = told
            rerun.widget_states.widgets.add(id=self.widgets[component], json_value="{}")
            trigger = rerun.widget_states.widgets.add(id=f"$$STREAMLIT_INTERNAL_KEY_{self.widgets[component]}__events")
            trigger.json_trigger_value = json.dumps([{"event": event, "value": value}])
        if files is not None:
            rerun.widget_states.widgets.add(id=self.uploader).file_uploader_state_value.CopyFrom(files)
        self.said.clear()
        await self.socket.send(message.SerializeToString())
        while True:
            answer = await self._answer()
            kind = answer.WhichOneof("type")
            if kind == "new_session":
                self.session = answer.new_session.initialize.session_id or self.session
            elif kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                self._note(answer.delta.new_element)
            elif kind == "delta" and answer.delta.add_block.HasField("expandable"):
                self._keep(answer.delta.add_block.expandable.id)
            elif kind == "script_finished" and answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return  # otherwise the page begins once more

    async def upload(self, picture: bytes, name: str = "picture.png") -> None:
        """Give a picture to the page, which must have a place for it."""
        message = BackMsg()
        message.file_urls_request.request_id, message.file_urls_request.session_id = "1", self.session
        message.file_urls_request.file_names.append(name)
        await self.socket.send(message.SerializeToString())
        while (answer := await self._answer()).WhichOneof("type") != "file_urls_response":
            pass
        place = answer.file_urls_response.file_urls[0]
        await asyncio.to_thread(_put, self.home, place.upload_url, picture, name)
        state = BackMsg().rerun_script.widget_states.widgets.add().file_uploader_state_value
        state.uploaded_file_info.add(file_id=place.file_id, name=name, size=len(picture), file_urls=place)
        await self.send(files=state)

    async def _answer(self) -> ForwardMsg:
        return ForwardMsg.FromString(await asyncio.wait_for(self.socket.recv(), _PATIENCE_S))

    def _note(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "alert":
            self.said.append(element.alert.body)
        elif kind == "exception":
            self.said.append(element.exception.message)
            self.tracebacks.append(f"{self.page}: {element.exception.type}: {element.exception.message}")
        identity = getattr(getattr(element, kind), "id", "")
        self._keep(identity)
        if kind == "file_uploader":
            self.uploader = identity

    def _keep(self, identity: str) -> None:
        if identity.startswith("$$ID"):
            self.widgets[identity.split("-", 2)[2]] = identity


def _put(home: str, place: str, content: bytes, name: str) -> None:
    """As a form with one file and the token against forged requests, which is how Streamlit takes it."""
    with urllib.request.urlopen(f"{home}/_stcore/health", timeout=_PATIENCE_S) as answer:
        token = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    edge = "an-edge"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    body = head + content + f"\r\n--{edge}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}", "X-Xsrftoken": token,
               "Cookie": f"_streamlit_xsrf={token}"}  # fmt: skip
    request = urllib.request.Request(home + place, body, headers, method="PUT")
    urllib.request.urlopen(request, timeout=_PATIENCE_S).close()
