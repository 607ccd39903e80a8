"""A fast OpenAI-compatible upstream for tests and measurements that also lists its models as LM Studio does.

What to do stands in the prompt: a JSON object gives the fields of `Script` (`{"tokens": 64, "gap_ms": 10}`), a name
in `replies` is answered byte for byte as it says, everything else gets the default script. So the same request gets
the same answer, whether it comes directly or through a gateway. Raw asyncio, some 20,000 answers a second.

As a process of its own: `python -m tests.scripted_openai --models one,two` prints its port; `GET /stats` counts.
"""

from __future__ import annotations

import asyncio
import threading
from argparse import ArgumentParser
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Self

import orjson

from tests.scripted_wire import CUT, RESET, Connection, Ending, Paced, Raw, Reply, Request, whole

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"


@dataclass(frozen=True, slots=True)
class Script:
    """An answer of `tokens` words: the first after `first_ms`, the others `gap_ms` apart (both milliseconds).

    `ending`: "done", "hang" (silence after the words), "endless" (words for ever), "cut" (closed without [DONE]),
    "reset" (TCP reset after the words). A `status` of 400 or more is an error instead of an answer.
    """

    tokens: int = 8
    first_ms: float = 0
    gap_ms: float = 0
    ending: str = "done"
    status: int = 200
    pad: str = ""  # makes a prompt long


@dataclass
class ScriptedOpenAI:
    """The upstream, in a daemon thread while the context lasts.

    with ScriptedOpenAI(["one"]) as upstream:
        upstream.replies["odd"] = lambda body: Raw((b"data: 1\\n\\n",))  # for the prompt "odd"
        upstream.default = Script(tokens=3)
        upstream.refuses_usage = True      # stream_options are answered with 400
        upstream.requests                  # all so far, where keep_requests
        upstream.open_connections, upstream.in_flight, upstream.dropped  # `dropped` counts by prompt
    """

    models: list[str] = field(default_factory=lambda: ["one"])
    context: int = 8192
    keep_requests: bool = True
    port: int = 0
    default: Script = Script()
    refuses_usage: bool = False
    replies: dict[str, Callable[[dict[str, Any]], Raw]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    dropped_at: dict[str, float] = field(default_factory=dict)  # monotonic seconds
    answered: int = 0
    in_flight: int = 0
    open_connections: int = 0

    def __post_init__(self) -> None:
        self.loaded = list(self.models)
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    @property
    def open_for_requests(self) -> bool:
        return self._started.is_set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    async def serve(self) -> None:
        """Answers until the context ends."""
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(lambda: Connection(self), "127.0.0.1", self.port, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._over.wait()
        server.close()

    def reply(self, request: Request) -> Reply:
        """What is answered to `request`."""
        if self.keep_requests:
            self.requests.append(request)
        if request.method == "POST" and request.path in (CHAT, COMPLETIONS, EMBEDDINGS):
            return self._answer(request.path, request.json)
        return self._manage(request)

    def _answer(self, path: str, body: dict[str, Any]) -> Reply:
        self.answered += 1
        prompt = _prompt(path, body)
        if known := self.replies.get(prompt):
            return known(body)
        script = replace(self.default, **orjson.loads(prompt)) if prompt[:1] == "{" else self.default
        options = body.get("stream_options")
        if self.refuses_usage and options is not None:
            return whole({"error": "Unrecognized key(s) in object: 'stream_options'"}, 400)
        if script.status >= 400:
            return whole({"error": {"message": "scripted failure", "type": "server_error"}}, script.status)
        if path == EMBEDDINGS:
            return whole(embedding(prompt, body["model"]))
        if body.get("stream"):
            return Paced(played(script, prompt, bool(options and options.get("include_usage"))), prompt)
        return whole(completion(path, script, prompt, body["model"]))

    def _manage(self, request: Request) -> bytes:
        """LM Studio's own endpoints and the list of OpenAI; an unknown path is a 200 with an error, as there."""
        match request.method, request.path:
            case "GET", "/api/v1/models":
                return whole({"models": [self._listed(key) for key in self.models]})
            case "GET", "/v1/models":
                return whole({"object": "list", "data": [{"id": key, "object": "model"} for key in self.models]})
            case "POST", "/api/v1/models/load":
                key = request.json["model"]
                self.loaded += [key] if key not in self.loaded else []
                return whole({"type": "llm", "instance_id": key, "load_time_seconds": 0.1, "status": "loaded"})
            case "POST", "/api/v1/models/unload":
                self.loaded.remove(request.json["instance_id"])
                return whole({"instance_id": request.json["instance_id"]})
            case "GET", "/stats":
                names = ("answered", "in_flight", "open_connections", "dropped")
                return whole({name: getattr(self, name) for name in names})
        return whole({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})

    def _listed(self, key: str) -> dict[str, Any]:
        copies = [{"id": key, "config": {"context_length": self.context}}] if key in self.loaded else []
        return {
            "type": "embedding" if "embed" in key else "llm", "publisher": "scripted", "key": key, "display_name": key,
            "architecture": "llama", "quantization": {"name": "Q4_K_M", "bits_per_weight": 4}, "size_bytes": 10**9,
            "params_string": "1B", "loaded_instances": copies, "max_context_length": 131_072, "format": "gguf",
        }  # fmt: skip


def usage(prompt: str, tokens: int) -> dict[str, int]:
    """What the upstream counts: a token for four characters of the prompt, one for each word of the answer."""
    read = (len(prompt) + 3) // 4
    return {"prompt_tokens": read, "completion_tokens": tokens, "total_tokens": read + tokens}


def completion(path: str, script: Script, prompt: str, model: str) -> dict[str, Any]:
    """A whole answer of chat or completions."""
    text = "".join(f"t{n} " for n in range(script.tokens))
    choice = {"message": {"role": "assistant", "content": text}} if path == CHAT else {"text": text}
    kind = "chat.completion" if path == CHAT else "text_completion"
    choices = [{"index": 0, **choice, "finish_reason": "stop"}]
    told = usage(prompt, script.tokens)
    return {"id": "c-1", "object": kind, "created": 1, "model": model, "choices": choices, "usage": told}


def embedding(prompt: str, model: str) -> dict[str, Any]:
    vector = [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 1.0]}]
    told = {"prompt_tokens": usage(prompt, 0)["prompt_tokens"], "total_tokens": usage(prompt, 0)["prompt_tokens"]}
    return {"object": "list", "data": vector, "model": model, "usage": told}


def word(n: int) -> bytes:
    """The event of the `n`th word."""
    return b'data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"one","choices":[{"index":0,' + (
        b'"delta":{"content":"t%d "},"text":"t%d ","finish_reason":null}]}\n\n' % (n, n)
    )


def last(prompt: str, tokens: int, asked: bool) -> bytes:
    """What comes after the words: the finish, the usage where it was asked for, the end."""
    start = b'data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"one","choices":['
    finish = start + b'{"index":0,"delta":{},"text":"","finish_reason":"stop"}]}\n\n'
    told = start + b'],"usage":%b}\n\n' % orjson.dumps(usage(prompt, tokens)) if asked else b""
    return finish + told + b"data: [DONE]\n\n"


async def played(script: Script, prompt: str, asked: bool) -> AsyncIterator[bytes | Ending]:
    """The events of a stream at their times, by one clock: what was late does not make the next one later."""
    start, sent = asyncio.get_running_loop().time(), 0
    while sent < script.tokens or script.ending == "endless":
        due = start + (script.first_ms + sent * script.gap_ms) / 1000
        if (wait := due - asyncio.get_running_loop().time()) > 0 or sent % 64 == 63:
            await asyncio.sleep(max(wait, 0))
        yield word(sent)
        sent += 1
    if script.ending == "hang":
        await asyncio.Event().wait()
    yield {"cut": CUT, "reset": RESET}.get(script.ending) or last(prompt, sent, asked)


def _prompt(path: str, body: dict[str, Any]) -> str:
    if path == CHAT:
        return str(body["messages"][-1]["content"])
    return str(body["prompt"] if path == COMPLETIONS else body["input"])


def main() -> None:
    """Serves until the process ends; the port is the first line printed."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="one")
    parser.add_argument("--port", type=int, default=0)
    asked = parser.parse_args()
    upstream = ScriptedOpenAI(asked.models.split(","), keep_requests=False, port=asked.port)

    async def serve() -> None:
        running = asyncio.create_task(upstream.serve())
        while not upstream.open_for_requests:
            await asyncio.sleep(0.01)
        print(upstream.port, flush=True)  # noqa: T201
        await running

    with suppress(KeyboardInterrupt):
        asyncio.run(serve())


if __name__ == "__main__":
    main()
